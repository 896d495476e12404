// The state of the page of alerts and its form in the URL: `?q=disk&severity=critical&match={job="db"}&by=instance&open=...&show=pending
// &handled=open&detail=<fingerprint>`.
import type { Level } from '../parts/Severity';
import type { Search } from '../router-search';
import { readFilters } from './filters';
import type { Filter } from './model';
import { HANDLED, type Handled } from './sent';
import { LEVELS } from './severity';

export type Folded = 'pending' | 'inactive';
export type AlertsState = {
  filter: Filter;
  by: string;
  /** The rule whose graph is drawn; undefined: nobody has chosen. */
  open: string | undefined;
  show: Folded[];
  handled: Handled;
  /** The alert that is unfolded, by its key. */
  detail: string;
};

/** Never fails: what a URL says wrongly or not at all takes its default. */
export function readAlerts(search: Search): AlertsState {
  const levels = (search.severity ?? '').split(',');
  const show = (search.show ?? '').split(',');
  return {
    filter: {
      text: search.q ?? '',
      levels: LEVELS.filter((level) => levels.includes(level)),
      labels: readFilters(search.match),
    },
    by: search.by || 'alertname',
    open: search.open,
    show: (['pending', 'inactive'] as const).filter((part) => show.includes(part)),
    handled: HANDLED.find(([handled]) => handled === search.handled)?.[0] ?? '',
    detail: search.detail ?? '',
  };
}

export const NO_FILTER = { q: undefined, severity: undefined, match: undefined, handled: undefined };

export function toggleLevel(levels: readonly Level[], level: Level): string | undefined {
  const next = levels.includes(level) ? levels.filter((l) => l !== level) : [...levels, level];
  return next.join(',') || undefined;
}
