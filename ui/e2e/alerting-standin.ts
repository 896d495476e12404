// A stand-in for alerting: silences that can be made and ended, a history, an outbox and a tree of routes, made up to show everything
// that the pages can.
import type { Page, Request, Route } from '@playwright/test';

type Labels = Record<string, string>;
type Matcher = { name: string; value: string; isRegex: boolean; isEqual: boolean };
type Json = Record<string, unknown>;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const iso = (ms: number) => new Date(ms).toISOString();
const is = (name: string, value: string): Matcher => ({ name, value, isRegex: false, isEqual: true });

export const DISK_1 = 'd15c000000000001';
export const DISK_2 = 'd15c000000000002';
export const SLOW = '510a000000000001';
export const ALIEN = 'a11e000000000001';
/** What fires, as API v2 lists it; the first three as the stand-in for rules has them, the last as somebody else has sent it. */
export const FIRING: { fingerprint: string; labels: Labels; minutes: number; receivers: string[] }[] = [
  {
    fingerprint: DISK_1,
    labels: {
      alertname: 'DiskFull',
      instance: 'db-1:9100',
      mountpoint: '/data',
      severity: 'critical',
      team: 'storage',
    },
    minutes: 14,
    receivers: ['critical', 'storage'],
  },
  {
    fingerprint: DISK_2,
    labels: {
      alertname: 'DiskFull',
      instance: 'db-2:9100',
      mountpoint: '/data',
      severity: 'critical',
      team: 'storage',
    },
    minutes: 15,
    receivers: ['critical', 'storage'],
  },
  {
    fingerprint: SLOW,
    labels: { alertname: 'SlowRequests', service: 'checkout', severity: 'warning', team: 'web' },
    minutes: 190,
    receivers: ['warnings'],
  },
  {
    fingerprint: ALIEN,
    labels: { alertname: 'BackupMissing', job: 'nightly', severity: 'warning' },
    minutes: 40,
    receivers: ['warnings'],
  },
];

function silencesNow(): Json[] {
  const now = Date.now();
  const none = { recurrence: null, remindMinutes: null, nextStartsAt: null, nextEndsAt: null };
  return [
    {
      ...none,
      id: '5e1e0000-0000-4000-8000-000000000001',
      status: { state: 'active' },
      matchers: [is('alertname', 'SlowRequests'), { name: 'service', value: 'check.*', isRegex: true, isEqual: true }],
      startsAt: iso(now - HOUR),
      endsAt: iso(now + 2 * HOUR),
      updatedAt: iso(now - HOUR),
      createdBy: 'ann',
      comment: 'Known, the fix is on its way: OPS-1234',
      remindMinutes: 15,
      matching: 1,
    },
    {
      ...none,
      id: '5e1e0000-0000-4000-8000-000000000002',
      status: { state: 'pending' },
      matchers: [is('team', 'storage'), { name: 'severity', value: 'critical', isRegex: false, isEqual: false }],
      startsAt: iso(now + 5 * HOUR),
      endsAt: iso(now + 9 * HOUR),
      updatedAt: iso(now - 3 * DAY),
      createdBy: 'bob',
      comment: 'Patch day of the databases',
      recurrence: { weekdays: ['tuesday'], start: '22:00', end: '02:00', timeZone: 'Europe/Berlin' },
      nextStartsAt: iso(now + 7 * DAY),
      nextEndsAt: iso(now + 7 * DAY + 4 * HOUR),
      matching: 0,
    },
    {
      ...none,
      id: '5e1e0000-0000-4000-8000-000000000003',
      status: { state: 'expired' },
      matchers: [is('job', 'nightly')],
      startsAt: iso(now - 2 * DAY),
      endsAt: iso(now - DAY),
      updatedAt: iso(now - 2 * DAY),
      createdBy: 'ann',
      comment: 'The backup moves to another host',
      matching: 1,
    },
  ];
}

function holds(matchers: readonly Matcher[], labels: Labels): boolean {
  return matchers.every((m) => {
    const value = labels[m.name] ?? '';
    return (m.isRegex ? new RegExp(`^(?:${m.value})$`).test(value) : value === m.value) === m.isEqual;
  });
}

/** What pages have asked for or done. */
export type Done = {
  saved: Json[];
  ended: string[];
  resent: string[];
  forgotten: string[];
  acked: Json[];
  asked: URL[];
};
type World = { silences: Json[]; dead: Json[]; acks: Map<string, Json>; done: Done; empty: boolean };

const success = (data: unknown) => ({ json: { status: 'success', data } });
const refused = (error: string) => ({ status: 400, json: { status: 'error', errorType: 'bad_data', error } });

function silence(world: World, request: Request, path: string) {
  const id = decodeURIComponent(path.split('/')[1] ?? '');
  if (path === 'silences/limits') return success({ maxDurationMs: 30 * DAY, requireComment: true });
  if (path === 'silences/preview') {
    const { matchers, days } = request.postDataJSON() as { matchers: Matcher[]; days: number };
    const wrong = matchers.find((m) => m.isRegex && m.value.includes('('));
    if (wrong) return refused(`bad pattern ${wrong.value}: missing closing )`);
    const hits = FIRING.filter((alert) => holds(matchers, alert.labels));
    const now = hits.map((hit) => ({ ...hit, startsAt: Date.now() - hit.minutes * MINUTE }));
    const past = hits.map((hit, i) => ({
      ...hit,
      times: 4 - i,
      lastAt: Date.now() - hit.minutes * MINUTE,
      isNow: true,
    }));
    if (holds(matchers, { alertname: 'DiskFull', instance: 'db-7:9100', severity: 'critical', team: 'storage' }))
      past.push({
        ...(FIRING[0] as (typeof FIRING)[0]),
        fingerprint: 'd15c000000000007',
        labels: { alertname: 'DiskFull', instance: 'db-7:9100', severity: 'critical', team: 'storage' },
        times: 1,
        lastAt: Date.now() - 3 * DAY,
        isNow: false,
      });
    return success({ now, past, days, firing: FIRING.length, truncated: false });
  }
  if (request.method() === 'DELETE') {
    world.done.ended.push(id);
    const now = iso(Date.now());
    world.silences = world.silences.map((s) =>
      s.id === id ? { ...s, status: { state: 'expired' }, endsAt: now, updatedAt: now } : s,
    );
    return success({});
  }
  if (request.method() === 'POST') {
    const posted = request.postDataJSON() as Json & { id?: string; matchers: Matcher[] };
    world.done.saved.push(posted);
    const made = posted.id || '5e1e0000-0000-4000-8000-00000000000a';
    const now = Date.now();
    const whole = {
      recurrence: null,
      remindMinutes: null,
      nextStartsAt: null,
      nextEndsAt: null,
      startsAt: iso(now),
      endsAt: iso(now + HOUR),
      ...posted,
      id: made,
      status: { state: 'active' },
      updatedAt: iso(now),
      matching: FIRING.filter((alert) => holds(posted.matchers, alert.labels)).length,
    };
    world.silences = [whole, ...world.silences.filter((s) => s.id !== made)];
    return success({ silenceID: made });
  }
  return success(world.silences);
}

function sentAlerts(world: World): Json[] {
  return FIRING.map((alert) => {
    const silencedBy = world.silences
      .filter((s) => (s.status as { state: string }).state === 'active')
      .filter((s) => holds(s.matchers as Matcher[], alert.labels))
      .map((s) => s.id);
    return {
      labels: alert.labels,
      annotations: alert.fingerprint === ALIEN ? { summary: 'No backup since yesterday' } : {},
      fingerprint: alert.fingerprint,
      startsAt: iso(Date.now() - alert.minutes * MINUTE),
      endsAt: iso(Date.now() + 4 * MINUTE),
      updatedAt: iso(Date.now()),
      receivers: alert.receivers.map((name) => ({ name })),
      status: { state: silencedBy.length > 0 ? 'suppressed' : 'active', silencedBy, inhibitedBy: [], mutedBy: [] },
      ...(alert.fingerprint === ALIEN ? { generatorURL: 'http://backup.example.org/' } : {}),
    };
  });
}

function answer(world: World, request: Request, path: string) {
  if (path.startsWith('silences')) return silence(world, request, path);
  return { status: 404, json: { status: 'error', errorType: 'not_found', error: `there is no endpoint ${path}` } };
}

/** Puts the stand-in in the place of the alerting of the page's server; `empty` for one where nothing has happened yet. */
export async function standInAlerting(page: Page, empty = false): Promise<Done> {
  const done: Done = { saved: [], ended: [], resent: [], forgotten: [], acked: [], asked: [] };
  const world: World = { silences: empty ? [] : silencesNow(), dead: [], acks: new Map(), done, empty };
  await page.route('**/api/afferent/v1/alerting/**', async (route: Route) => {
    const url = new URL(route.request().url());
    done.asked.push(url);
    await route.fulfill(answer(world, route.request(), url.pathname.replace('/api/afferent/v1/alerting/', '')));
  });
  await page.route('**/api/v2/alerts?*', (route) => route.fulfill({ json: empty ? [] : sentAlerts(world) }));
  await page.route('**/api/v2/alerts', (route) => route.fulfill({ json: empty ? [] : sentAlerts(world) }));
  return done;
}
