// Made-up alerting for the stand-in: what fires, what has happened, what waits, and a tree of routes.

export type Labels = Record<string, string>;
export type Json = Record<string, unknown>;

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const iso = (ms: number) => new Date(ms).toISOString();

export const DISK_1 = 'd15c000000000001';
export const DISK_2 = 'd15c000000000002';
export const SLOW = '510a000000000001';
export const ALIEN = 'a11e000000000001';
export const SILENCE = '5e1e0000-0000-4000-8000-000000000001';

const disk = (instance: string): Labels => ({
  alertname: 'DiskFull',
  instance,
  mountpoint: '/data',
  severity: 'critical',
  team: 'storage',
});
const SLOW_LABELS = { alertname: 'SlowRequests', service: 'checkout', severity: 'warning', team: 'web' };

export type Firing = { fingerprint: string; labels: Labels; minutes: number; receivers: string[] };
/** What fires, as API v2 lists it; the first three as the stand-in for rules has them, the last as somebody else has sent it. */
export const FIRING: Firing[] = [
  { fingerprint: DISK_1, labels: disk('db-1:9100'), minutes: 14, receivers: ['critical', 'storage'] },
  { fingerprint: DISK_2, labels: disk('db-2:9100'), minutes: 15, receivers: ['critical', 'storage'] },
  { fingerprint: SLOW, labels: SLOW_LABELS, minutes: 190, receivers: ['warnings'] },
  {
    fingerprint: ALIEN,
    labels: { alertname: 'BackupMissing', job: 'nightly', severity: 'warning' },
    minutes: 40,
    receivers: ['warnings'],
  },
];

const GROUP = '{}/{severity="critical"}:{alertname="DiskFull", team="storage"}';

/** Newest first. */
export function madeHistory(now: number): Json[] {
  const at = (minutes: number) => now - minutes * MINUTE;
  const one = { alert: DISK_1, labels: disk('db-1:9100') };
  const told = { group: GROUP, receiver: 'critical/pagerduty[0]', alerts: [DISK_1, DISK_2] };
  const slack = { group: GROUP, receiver: 'critical/slack[0]', alerts: [DISK_1, DISK_2] };
  return [
    { at: at(2), kind: 'acknowledged', ...one, by: 'ann', text: 'on it' },
    { at: at(9), kind: 'dead', ...slack, attempt: 3, text: 'slack answered 403: invalid_token' },
    { at: at(10), kind: 'failed', ...slack, attempt: 2, text: 'slack answered 503' },
    { at: at(11), kind: 'failed', ...slack, attempt: 1, text: 'connection refused' },
    { at: at(12), kind: 'sent', ...told, attempt: 1 },
    { at: at(13), kind: 'queued', ...told, text: 'first notification' },
    { at: at(14), kind: 'firing', ...one },
    { at: at(15), kind: 'firing', alert: DISK_2, labels: disk('db-2:9100') },
    { at: at(20), kind: 'resolved', ...one },
    { at: at(26), kind: 'firing', ...one },
    { at: at(40), kind: 'firing', alert: ALIEN, labels: FIRING[3]?.labels },
    { at: at(45), kind: 'reloaded', text: 'alertmanager-config.yaml' },
    { at: at(55), kind: 'muted', alert: SLOW, labels: SLOW_LABELS, text: `silenced by ${SILENCE}` },
    { at: at(56), kind: 'silence_created', silence: SILENCE, by: 'ann', text: '{alertname="SlowRequests"}' },
    ...Array.from({ length: 600 }, (_, i) => ({
      at: at(60 + i),
      kind: i % 2 === 0 ? 'resolved' : 'firing',
      alert: SLOW,
      labels: { ...SLOW_LABELS, service: `shop-${i % 7}` },
    })),
  ];
}

const noise = (alertname: string, firings: number, more: Json): Json => ({
  alertname,
  firings,
  instances: 3,
  notifications: Math.round(firings * 0.8),
  flapping: 0,
  acknowledged: 2,
  silenced: 1,
  neverActedOn: false,
  resolveP50Ms: 4 * MINUTE,
  resolveP95Ms: 2 * HOUR,
  firingMs: firings * 9 * MINUTE,
  lastAt: Date.now() - firings * MINUTE,
  ...more,
});

export const madeNoise = (days: number): Json => ({
  days,
  from: Date.now() - days * DAY,
  to: Date.now(),
  firings: 412,
  notifications: 390,
  truncated: false,
  alerts: [
    noise('SlowRequests', 301, { flapping: 4, acknowledged: 0, silenced: 0, neverActedOn: true, instances: 7 }),
    noise('DiskFull', 88, {}),
    noise('BackupMissing', 23, {
      acknowledged: 0,
      silenced: 0,
      neverActedOn: true,
      resolveP50Ms: null,
      resolveP95Ms: null,
    }),
  ],
  receivers: [
    { receiver: 'warnings', notifications: 260, failed: 0, dead: 0 },
    { receiver: 'critical', notifications: 130, failed: 4, dead: 1 },
  ],
});

const letter = (id: number, integration: string, more: Json): Json => ({
  id,
  integration,
  receiver: integration.split('/')[0],
  kind: integration.replace(/.*\/|\[.*/g, ''),
  groupKey: GROUP,
  groupLabels: { alertname: 'DiskFull', team: 'storage' },
  reason: 'first notification',
  alerts: 2,
  firing: 2,
  resolved: 0,
  sample: [
    { fingerprint: DISK_1, labels: disk('db-1:9100'), resolved: false },
    { fingerprint: DISK_2, labels: disk('db-2:9100'), resolved: false },
  ],
  attempts: 0,
  inFlight: false,
  queuedAt: iso(Date.now() - 14 * MINUTE),
  nextAttempt: iso(Date.now() + 40_000),
  lastError: '',
  ...more,
});

export const madeWaiting = (): Json[] => [
  letter(7, 'storage/email[0]', { attempts: 4, lastError: 'smtp: connection refused by mail.example.org:587' }),
  letter(8, 'warnings/slack[0]', {
    inFlight: true,
    groupLabels: { alertname: 'SlowRequests' },
    alerts: 1,
    firing: 1,
    sample: [],
  }),
];

export const madeDead = (): Json[] => [
  letter(5, 'critical/slack[0]', {
    attempts: 3,
    refusedAt: iso(Date.now() - 9 * MINUTE),
    refusal: 'slack answered 403: invalid_token',
    canResend: true,
  }),
  letter(4, 'storage/webhook[0]', {
    attempts: 1,
    refusedAt: iso(Date.now() - 3 * HOUR),
    refusal: 'https://hooks.example.org answered 410: gone',
    canResend: false,
  }),
];

const integration = (name: string, more: Json = {}): Json => ({
  integration: name,
  receiver: name.split('/')[0],
  kind: name.replace(/.*\/|\[.*/g, ''),
  sendResolved: true,
  waiting: 0,
  failures: 0,
  inFlight: 0,
  notBefore: null,
  lastTold: Date.now() - 12 * MINUTE,
  ...more,
});

export const madeIntegrations = (): Json[] => [
  integration('critical/pagerduty[0]'),
  integration('critical/slack[0]', { failures: 1 }),
  integration('storage/email[0]', { waiting: 1, failures: 4, notBefore: Date.now() + 40_000, sendResolved: false }),
  integration('storage/webhook[0]', { lastTold: null }),
  integration('warnings/slack[0]', { waiting: 1, inFlight: 1 }),
];

const route = (id: number, parent: number | null, receiver: string, matchers: string, more: Json = {}): Json => ({
  id,
  parent,
  receiver,
  matchers,
  continue: false,
  groupBy: ['alertname', 'team'],
  groupWait: '30s',
  groupInterval: '5m',
  repeatInterval: '4h',
  muteTimeIntervals: [],
  activeTimeIntervals: [],
  mutedBy: [],
  integrations: [`${receiver}/slack[0]`],
  groups: 0,
  alerts: 0,
  ...more,
});

export const madeRoutes = (): Json[] => [
  route(0, null, 'default', '{}', { integrations: ['default/email[0]'] }),
  route(1, 0, 'storage', '{team="storage"}', {
    continue: true,
    integrations: ['storage/email[0]', 'storage/webhook[0]'],
    groups: 1,
    alerts: 2,
  }),
  route(2, 0, 'critical', '{severity="critical"}', {
    groupWait: '10s',
    repeatInterval: '1h',
    integrations: ['critical/pagerduty[0]', 'critical/slack[0]'],
    groups: 1,
    alerts: 2,
  }),
  route(3, 2, 'night', '{team="web"}', { activeTimeIntervals: ['night'], mutedBy: ['night'] }),
  route(4, 0, 'warnings', '{severity="warning"}', { groups: 2, alerts: 2, groupBy: ['...'] }),
];

export const CONFIG = `route:
  receiver: default
  group_by: [alertname, team]
  routes:
    - receiver: storage
      matchers: [team = storage]
      continue: true
receivers:
  - name: default
`;

export function madeWhatIf(days: number): Json {
  const now = Date.now();
  return {
    days,
    from: now - days * DAY,
    to: now,
    alerts: 37,
    truncated: false,
    warnings: [],
    recorded: 88,
    current: 90,
    candidate: 41,
    receivers: [
      { receiver: 'warnings', recorded: 60, current: 62, candidate: 13 },
      { receiver: 'critical', recorded: 28, current: 28, candidate: 28 },
    ],
    changes: [
      {
        fingerprint: SLOW,
        labels: SLOW_LABELS,
        current: [{ receiver: 'warnings', notifications: 49 }],
        candidate: [],
      },
    ],
    timeline: Array.from({ length: 100 }, (_, i) => ({
      at: now - days * DAY + (i * days * DAY) / 100,
      current: i % 5 === 0 ? 4 : i % 3 === 0 ? 1 : 0,
      candidate: i % 5 === 0 ? 2 : 0,
    })),
  };
}
