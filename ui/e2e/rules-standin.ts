// A stand-in for the rules and alerts of a server: made-up groups with everything that the pages can show.
import type { Page, Route } from '@playwright/test';

type Labels = Record<string, string>;
type Active = { labels: Labels; annotations?: Labels; state?: string; minutes: number; value: string; kept?: number };
type Made = {
  alert?: string;
  record?: string;
  expr: string;
  seconds?: number;
  for?: number;
  labels?: Labels;
  annotations?: Labels;
  state?: string;
  error?: string;
  never?: boolean;
  took?: number;
  active?: Active[];
};
type Group = { name: string; file: string; interval: number; took: number; rules: Made[] };

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

export const DISK = 'node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1';
export const LATENCY =
  'histogram_quantile(0.99, sum by (le, service) (rate(http_request_duration_seconds_bucket[5m]))) > 0.5';
export const ERRORS = 'sum by (service_name) (rate({service_name=~".+"} |= "error > 0" | json [5m])) > 10';
const RUNBOOK = 'https://runbooks.example.org/disk';

const METRICS: Group[] = [
  {
    name: 'node',
    file: '/etc/afferent/prometheus-rules/node.yml',
    interval: 15,
    took: 0.012,
    rules: [
      { record: 'instance:cpu:ratio', expr: 'avg by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))' },
      {
        alert: 'DiskFull',
        expr: DISK,
        for: 300,
        labels: { severity: 'critical', team: 'storage' },
        annotations: { summary: 'Disk of {{ $labels.instance }} is full', runbook_url: RUNBOOK },
        state: 'firing',
        active: ['db-1:9100', 'db-2:9100'].map((instance, i) => ({
          labels: { alertname: 'DiskFull', instance, mountpoint: '/data', severity: 'critical', team: 'storage' },
          annotations: {
            summary: `Disk of ${instance} is full`,
            description: 'Writes fail soon.\nDelete old backups, or grow the volume.',
            runbook_url: RUNBOOK,
            dashboard_url: 'https://dashboards.example.org/d/disk',
            owner: 'javascript:alert(1)',
          },
          minutes: 14 + i,
          value: i === 0 ? '4.2e-02' : '7.9e-02',
        })),
      },
      { alert: 'NodeDown', expr: 'up{job="node"} == 0', for: 60, labels: { severity: 'critical' }, state: 'inactive' },
    ],
  },
  {
    name: 'web',
    file: '/etc/afferent/prometheus-rules/web.yml',
    interval: 60,
    took: 51,
    rules: [
      {
        alert: 'SlowRequests',
        expr: LATENCY,
        labels: { severity: 'warning' },
        annotations: { summary: '{{ $labels.service }} is slow' },
        state: 'firing',
        took: 48,
        active: [
          {
            labels: { alertname: 'SlowRequests', service: 'checkout', severity: 'warning', team: 'web' },
            annotations: { summary: 'checkout is slow' },
            minutes: 190,
            value: '1.27e+00',
          },
          {
            labels: { alertname: 'SlowRequests', service: 'cart', severity: 'warning', team: 'web' },
            annotations: { summary: 'cart is slow' },
            minutes: 3,
            value: '6.1e-01',
            kept: 1,
          },
        ],
      },
      {
        alert: 'QueueGrows',
        expr: 'deriv(queue_length[10m]) > 0 and queue_length > 1000',
        for: 900,
        labels: { severity: 'warning' },
        state: 'pending',
        active: [
          {
            labels: { alertname: 'QueueGrows', queue: 'mail', severity: 'warning' },
            annotations: { summary: 'The queue mail grows' },
            state: 'pending',
            minutes: 4,
            value: '3e+00',
          },
        ],
      },
      {
        alert: 'BudgetSpent',
        expr: 'sum(cost_dollars) > bool 500',
        labels: { severity: 'info' },
        error: 'found duplicate series for the match group {team="web"} on the right hand-side of the operation',
        state: 'inactive',
      },
    ],
  },
  {
    name: 'slow',
    file: '/etc/afferent/prometheus-rules/web.yml',
    interval: 30,
    took: 34,
    rules: [{ record: 'job:requests:rate5m', expr: 'sum by (job) (rate(http_requests_total[5m]))', took: 34 }],
  },
  {
    name: 'meta',
    file: '/etc/afferent/prometheus-rules/meta.yml',
    interval: 60,
    took: 0,
    rules: [{ alert: 'New', expr: 'absent(up)', labels: { severity: 'critical' }, state: 'unknown', never: true }],
  },
];

const LOGS: Group[] = [
  {
    name: 'errors',
    file: '/etc/afferent/loki-rules/errors.yml',
    interval: 60,
    took: 0.4,
    rules: [
      {
        alert: 'ErrorLines',
        expr: ERRORS,
        labels: { severity: 'page' },
        state: 'firing',
        active: [
          {
            labels: { alertname: 'ErrorLines', service_name: 'gateway', severity: 'page' },
            annotations: { summary: 'gateway writes errors' },
            minutes: 2,
            value: '2.4e+01',
          },
        ],
      },
    ],
  },
];

function alertJson(active: Active) {
  return {
    labels: active.labels,
    annotations: active.annotations ?? {},
    state: active.state ?? 'firing',
    activeAt: minutesAgo(active.minutes),
    ...(active.kept ? { keepFiringSince: minutesAgo(active.kept) } : {}),
    value: active.value,
  };
}

function ruleJson(made: Made) {
  const evaluated = {
    name: made.alert ?? made.record,
    query: made.expr,
    labels: made.labels ?? {},
    health: made.error ? 'err' : made.never ? 'unknown' : 'ok',
    ...(made.error ? { lastError: made.error } : {}),
    evaluationTime: made.never ? 0 : (made.took ?? 0.003),
    lastEvaluation: made.never ? '0001-01-01T00:00:00Z' : new Date(Date.now() - 5000).toISOString(),
  };
  if (made.record) return { ...evaluated, type: 'recording' };
  return {
    ...evaluated,
    type: 'alerting',
    state: made.state ?? 'inactive',
    duration: made.for ?? 0,
    keepFiringFor: 0,
    annotations: made.annotations ?? {},
    alerts: (made.active ?? []).map(alertJson),
  };
}

const groupJson = (group: Group) => ({
  name: group.name,
  file: group.file,
  interval: group.interval,
  limit: 0,
  evaluationTime: group.took,
  lastEvaluation: group.took > 0 ? new Date(Date.now() - 5000).toISOString() : '0001-01-01T00:00:00Z',
  rules: group.rules.map(ruleJson),
});

const success = (data: unknown) => ({ json: { status: 'success', data } });
const rulesOf = (groups: readonly Group[]) => success({ groups: groups.map(groupJson) });
const alertsOf = (groups: readonly Group[]) =>
  success({ alerts: groups.flatMap((g) => g.rules).flatMap((r) => (r.active ?? []).map(alertJson)) });

/** A wave for each series that the graphs of the rules ask for. */
function matrix(form: URLSearchParams) {
  const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(form.get(name))) as [number, number, number];
  const query = form.get('query') ?? '';
  const [label, names, low, high] = query.startsWith('node_filesystem')
    ? (['instance', ['db-1:9100', 'db-2:9100', 'db-3:9100'], 0.02, 0.3] as const)
    : query.includes('service_name')
      ? (['service_name', ['gateway'], 2, 24] as const)
      : (['service', ['checkout', 'cart'], 0.1, 1.4] as const);
  const result = names.map((name, i) => {
    const values: [number, string][] = [];
    for (let t = start; t <= end; t += step) {
      const wave = (1 + Math.sin(t / 700 + i * 2)) / 2;
      values.push([t, String(low + (high - low) * wave)]);
    }
    return { metric: { [label]: name }, values };
  });
  return success({ resultType: 'matrix', result });
}

/** Queries that the page has sent to be drawn. */
export type Asked = { drawn: string[] };

/** Puts the stand-in in the place of the rules of the page's server. */
export async function standInRules(page: Page, groups = { metrics: METRICS, logs: LOGS }): Promise<Asked> {
  const asked: Asked = { drawn: [] };
  const path = (prefix: string, name: string) => (url: URL) => url.pathname === `${prefix}/api/v1/${name}`;
  await page.route(path('', 'rules'), (route) => route.fulfill(rulesOf(groups.metrics)));
  await page.route(path('', 'alerts'), (route) => route.fulfill(alertsOf(groups.metrics)));
  await page.route(path('/prometheus', 'rules'), (route) => route.fulfill(rulesOf(groups.logs)));
  await page.route(path('/prometheus', 'alerts'), (route) => route.fulfill(alertsOf(groups.logs)));
  // Nothing is known of silences and acknowledgements, and nobody else has sent anything; another stand-in may say more.
  await page.route(/\/api\/v2\/alerts(\?|$)/, (route) => route.fulfill({ json: [] }));
  await page.route('**/alerting/history?*', (route) => route.fulfill(success({ events: [], next: null })));
  const draw = async (route: Route) => {
    const form = new URLSearchParams(route.request().postData() ?? '');
    asked.drawn.push(form.get('query') ?? '');
    const nanoseconds = route.request().url().includes('/loki/');
    if (nanoseconds) for (const name of ['start', 'end']) form.set(name, String(Number(form.get(name)) / 1e9));
    await route.fulfill(matrix(form));
  };
  await page.route('**/api/v1/query_range', draw);
  return asked;
}
