// Addresses. Every page keeps its whole state in the search parameters, which stay flat text.
import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Link,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { CPU_BY_MODE } from './explore/starters';
import { fromPrometheusLink, fromShortLink, newQuery, readState, writeState } from './explore/state';
import { Empty, Note } from './parts/States';
import { parseSearch, type Search, writeSearch } from './router-search';
import { Shell } from './shell/Shell';

const VISITED = 'afferent.visited';

/** The very first visit opens with something alive: this machine's CPU, moving. */
function firstVisit(search: Search, preload: boolean): Search | null {
  const asked = readState(search).queries.some((q) => q.expr !== '');
  if (asked || preload) return null;
  if (localStorage.getItem(VISITED)) return null;
  const query = { ...newQuery('A', CPU_BY_MODE.expr), legend: CPU_BY_MODE.legend };
  const state = { ...readState({}), queries: [query], style: 'stacked' as const };
  return writeState(state, { from: 'now-15m', to: 'now', refresh: '5s', ...search });
}

const root = createRootRoute({
  component: Shell,
  validateSearch: (search: Record<string, unknown>): Search => search as Search,
  notFoundComponent: () => (
    <Empty title="There is no page at this address">
      <p>
        <Link to="/explore">Open Explore</Link>
      </p>
    </Empty>
  ),
  errorComponent: Failed,
});

function Failed(props: ErrorComponentProps) {
  return (
    <Note
      level="critical"
      word="Error"
      action={
        <button type="button" className="button small" onClick={() => window.location.reload()}>
          Reload
        </button>
      }
    >
      This page failed: {props.error instanceof Error ? props.error.message : String(props.error)}
    </Note>
  );
}

const explore = createRoute({
  getParentRoute: () => root,
  path: '/explore',
  errorComponent: Failed,
  beforeLoad: ({ search, preload }) => {
    const short = fromShortLink(search);
    if (short) throw redirect({ to: '/explore', search: short, replace: true });
    const first = firstVisit(search, preload);
    if (!preload) localStorage.setItem(VISITED, '1');
    if (first) throw redirect({ to: '/explore', search: first, replace: true });
  },
  component: lazyRouteComponent(() => import('./explore/ExplorePage'), 'ExplorePage'),
});

const logs = createRoute({
  getParentRoute: () => root,
  path: '/logs',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./logs/LogsPage'), 'LogsPage'),
});

const alerts = createRoute({
  getParentRoute: () => root,
  path: '/alerts',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./alerts/AlertsPage'), 'AlertsPage'),
});

const silences = createRoute({
  getParentRoute: () => root,
  path: '/silences',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./silences/SilencesPage'), 'SilencesPage'),
});

const history = createRoute({
  getParentRoute: () => root,
  path: '/history',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./history/HistoryPage'), 'HistoryPage'),
});

const routing = createRoute({
  getParentRoute: () => root,
  path: '/routing',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./routing/RoutingPage'), 'RoutingPage'),
});

const notifications = createRoute({
  getParentRoute: () => root,
  path: '/notifications',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./notifications/NotificationsPage'), 'NotificationsPage'),
});

const rules = createRoute({
  getParentRoute: () => root,
  path: '/rules',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./rules/RulesPage'), 'RulesPage'),
});

const targets = createRoute({
  getParentRoute: () => root,
  path: '/targets',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./targets/TargetsPage'), 'TargetsPage'),
});

const status = createRoute({
  getParentRoute: () => root,
  path: '/status',
  errorComponent: Failed,
  component: lazyRouteComponent(() => import('./status/StatusPage'), 'StatusPage'),
});

const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: ({ search }) => {
    throw redirect({ to: '/explore', search, replace: true });
  },
});

/** Links that Prometheus and its alerts write. */
const prometheusLinks = ['/graph', '/query'].map((path) =>
  createRoute({
    getParentRoute: () => root,
    path,
    beforeLoad: ({ search }) => {
      throw redirect({ to: '/explore', search: fromPrometheusLink(search), replace: true });
    },
  }),
);

export function makeRouter() {
  return createRouter({
    routeTree: root.addChildren([
      explore,
      logs,
      alerts,
      silences,
      history,
      routing,
      notifications,
      rules,
      targets,
      status,
      start,
      ...prometheusLinks,
    ]),
    parseSearch,
    stringifySearch: writeSearch,
    defaultPreload: 'intent',
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
