// The pages of the application. Navigation, palette and keys are made from this list; a page is listed once it exists.
import type { Action } from './keys';

export type Page = {
  path:
    | '/explore'
    | '/logs'
    | '/alerts'
    | '/silences'
    | '/history'
    | '/routing'
    | '/notifications'
    | '/rules'
    | '/targets'
    | '/status';
  label: string;
  keys: string;
  action: Action;
  /** Whether the page shows a span of time, so that the range picker has something to change. */
  ranged: boolean;
  /** The page that it belongs to: it stands below that one, and on a phone in a row of its own. */
  under?: Page['path'];
  /** Refresh where the URL names none. */
  refresh: string;
};

export const PAGES: readonly Page[] = [
  { path: '/explore', label: 'Explore', keys: 'g e', action: 'go-explore', ranged: true, refresh: 'off' },
  { path: '/logs', label: 'Logs', keys: 'g l', action: 'go-logs', ranged: true, refresh: 'off' },
  { path: '/alerts', label: 'Alerts', keys: 'g a', action: 'go-alerts', ranged: true, refresh: '10s' },
  {
    path: '/silences',
    label: 'Silences',
    keys: 'g i',
    action: 'go-silences',
    ranged: false,
    under: '/alerts',
    refresh: '10s',
  },
  {
    path: '/history',
    label: 'History',
    keys: 'g h',
    action: 'go-history',
    ranged: true,
    under: '/alerts',
    refresh: 'off',
  },
  {
    path: '/routing',
    label: 'Routing',
    keys: 'g o',
    action: 'go-routing',
    ranged: false,
    under: '/alerts',
    refresh: '30s',
  },
  {
    path: '/notifications',
    label: 'Notifications',
    keys: 'g n',
    action: 'go-notifications',
    ranged: false,
    under: '/alerts',
    refresh: '5s',
  },
  { path: '/rules', label: 'Rules', keys: 'g r', action: 'go-rules', ranged: false, refresh: '10s' },
  { path: '/targets', label: 'Targets', keys: 'g t', action: 'go-targets', ranged: false, refresh: '5s' },
  { path: '/status', label: 'Status', keys: 'g s', action: 'go-status', ranged: false, refresh: '5s' },
];

export function pageAt(pathname: string): Page | undefined {
  return PAGES.find((page) => pathname === page.path || pathname.startsWith(`${page.path}/`));
}

/** The page and those that belong with it; none where it stands alone. */
export function familyOf(page: Page | undefined): readonly Page[] {
  const head = page?.under ?? page?.path;
  const family = PAGES.filter((other) => other.path === head || other.under === head);
  return family.length > 1 ? family : [];
}
