// A stand-in for alerting: silences that can be made and ended, a history, an outbox and a tree of routes, made up to show everything
// that the pages can.
import type { Page, Request, Route } from '@playwright/test';

import {
  ALIEN,
  CONFIG,
  DAY,
  FIRING,
  HOUR,
  iso,
  type Json,
  type Labels,
  MINUTE,
  madeDead,
  madeHistory,
  madeIntegrations,
  madeNoise,
  madeRoutes,
  madeWaiting,
  madeWhatIf,
  SILENCE,
} from './alerting-made';

type Matcher = { name: string; value: string; isRegex: boolean; isEqual: boolean };

const is = (name: string, value: string): Matcher => ({ name, value, isRegex: false, isEqual: true });

function silencesNow(): Json[] {
  const now = Date.now();
  const none = { recurrence: null, remindMinutes: null, nextStartsAt: null, nextEndsAt: null };
  return [
    {
      ...none,
      id: SILENCE,
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
type World = {
  silences: Json[];
  dead: Json[];
  acks: Map<string, Json>;
  done: Done;
  empty: boolean;
  now: number;
  happened: Json[];
};

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

function silencersOf(world: World, labels: Labels): string[] {
  return world.silences
    .filter((s) => (s.status as { state: string }).state === 'active')
    .filter((s) => holds(s.matchers as Matcher[], labels))
    .map((s) => String(s.id));
}

function sentAlerts(world: World): Json[] {
  return FIRING.map((alert) => {
    const silencedBy = silencersOf(world, alert.labels);
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

/** A page of events: filters by kind, alert, silence, receiver and whole labels. */
function history(world: World, url: URL) {
  const asked = url.searchParams;
  const kinds = asked.getAll('kind');
  const filters = asked.getAll('filter').map((text) => /^(\w+)="(.*)"$/.exec(text) ?? ['', '', '']);
  const from = Number(asked.get('start') ?? 0) * 1000;
  const to = Number(asked.get('end') ?? 1e12) * 1000;
  const fit = (event: Json) =>
    Number(event.at) >= from &&
    Number(event.at) <= to &&
    (kinds.length === 0 || kinds.includes(String(event.kind))) &&
    (!asked.get('alert') ||
      event.alert === asked.get('alert') ||
      (event.alerts as string[])?.includes(asked.get('alert') ?? '')) &&
    (!asked.get('silence') || event.silence === asked.get('silence')) &&
    (!asked.get('receiver') || String(event.receiver ?? '').split('/')[0] === asked.get('receiver')) &&
    filters.every(([, name = '', value]) => (event.labels as Labels | undefined)?.[name] === value);
  const all = world.empty ? [] : [...world.happened, ...madeHistory(world.now)].filter(fit);
  const start = Number(asked.get('cursor') ?? 0);
  const limit = Number(asked.get('limit') ?? 1000);
  const events = all.slice(start, start + limit);
  return success({ events, next: start + limit < all.length ? String(start + limit) : null });
}

function outbox(world: World, request: Request, path: string) {
  const id = path.split('/')[1] ?? '';
  if (request.method() === 'POST') world.done.resent.push(id);
  if (request.method() === 'DELETE') world.done.forgotten.push(id);
  if (request.method() !== 'GET') {
    world.dead = world.dead.filter((letter) => String(letter.id) !== id);
    return success({});
  }
  if (world.empty) return success({ waiting: [], deadLetters: [], integrations: [] });
  return success({ waiting: madeWaiting(), deadLetters: world.dead, integrations: madeIntegrations() });
}

/** As the made-up tree routes: the first that fits, and on where it says so. */
function routeTest(labels: Labels) {
  const critical = labels.severity === 'critical' ? [labels.team === 'web' ? [0, 2, 3] : [0, 2]] : [];
  const warning = labels.severity === 'warning' ? [[0, 4]] : [];
  const storage = labels.team === 'storage' ? [[0, 1]] : [];
  const ends = [...critical, ...warning];
  const paths = [...storage, ...ends];
  const found = paths.length > 0 ? paths : [[0]];
  const tree = madeRoutes();
  const routes = found.map((path) => ({
    path,
    receiver: tree[path.at(-1) ?? 0]?.receiver,
    groupLabels: { alertname: labels.alertname ?? '' },
  }));
  return { receivers: routes.map((r) => r.receiver), routes, tree };
}

function routing(request: Request, path: string) {
  if (path === 'routes') return success(madeRoutes());
  const posted = request.postDataJSON() as { labels?: Labels; config?: string; days?: number };
  if (posted.config?.includes('nobody'))
    return refused(
      '/etc/afferent/alertmanager-config.yaml:2:13: route.receiver: undefined receiver "nobody" used in route',
    );
  if (path === 'whatif') return success(madeWhatIf(posted.days ?? 7));
  const test = routeTest(posted.labels ?? {});
  if (!posted.config) return success(test);
  // What is written while tests run routes everything to the root.
  return success({
    receivers: ['default'],
    routes: [{ path: [0], receiver: 'default', groupLabels: {} }],
    tree: test.tree.slice(0, 2),
  });
}

function explain(world: World, fingerprint: string) {
  const alert = FIRING.find((a) => a.fingerprint === fingerprint);
  if (!alert)
    return { status: 404, json: { status: 'error', errorType: 'not_found', error: 'there is no such alert' } };
  const silencedBy = silencersOf(world, alert.labels);
  const quiet = silencedBy.length > 0;
  const groups = routeTest(alert.labels).routes.map((found) => ({
    groupKey: `{}/{}:{alertname="${alert.labels.alertname}"}`,
    groupLabels: { alertname: alert.labels.alertname },
    receiver: found.receiver,
    route: found.path.map((id) => ({ id, matchers: madeRoutes()[id]?.matchers })),
    groupWaitMs: 30_000,
    groupIntervalMs: 300_000,
    repeatIntervalMs: 14_400_000,
    exists: true,
    guest: false,
    nextFlush: Date.now() + 100_000,
    mutedBy: [],
    integrations: [
      {
        integration: `${found.receiver}/slack[0]`,
        sendResolved: true,
        lastTold: Date.now() - 12 * MINUTE,
        toldFiring: true,
        repeatAt: Date.now() + 3 * HOUR,
        waiting: null,
        refused: null,
        wouldTell: false,
        next: quiet ? `nothing: silenced by ${silencedBy[0]}` : 'nothing: it was told, and nothing has changed',
      },
    ],
  }));
  return success({
    fingerprint,
    labels: alert.labels,
    state: 'firing',
    alert: {},
    acknowledgement: world.acks.get(fingerprint) ?? null,
    silencedBy,
    inhibitedBy: [],
    groups,
    events: madeHistory(world.now).filter(
      (e) => e.alert === fingerprint || (e.alerts as string[])?.includes(fingerprint),
    ),
  });
}

function acknowledge(world: World, request: Request, path: string) {
  const id = path.split('/')[1] ?? '';
  const labels = FIRING.find((alert) => alert.fingerprint === id)?.labels;
  if (request.method() === 'DELETE') {
    world.acks.delete(id);
    world.happened.unshift({ at: Date.now(), kind: 'unacknowledged', alert: id, labels });
  } else {
    const posted = request.postDataJSON() as Json;
    world.happened.unshift({
      at: Date.now(),
      kind: 'acknowledged',
      alert: id,
      labels,
      by: posted.by,
      text: posted.comment,
    });
    world.done.acked.push({ id, ...posted });
    world.acks.set(id, { assignee: '', comment: '', ...posted, at: Date.now() });
  }
  return success({});
}

function answer(world: World, request: Request, path: string) {
  const url = new URL(request.url());
  if (path.startsWith('silences')) return silence(world, request, path);
  if (path === 'history') return history(world, url);
  if (path === 'noise') {
    const made = madeNoise(Number(url.searchParams.get('days')));
    return success(world.empty ? { ...made, alerts: [], receivers: [], firings: 0, notifications: 0 } : made);
  }
  if (path.startsWith('outbox')) return outbox(world, request, path);
  if (path.startsWith('routes') || path === 'whatif') return routing(request, path);
  if (path === 'explain') return explain(world, url.searchParams.get('fingerprint') ?? '');
  if (path.endsWith('/ack')) return acknowledge(world, request, path);
  return { status: 404, json: { status: 'error', errorType: 'not_found', error: `there is no endpoint ${path}` } };
}

/** Puts the stand-in in the place of the alerting of the page's server; `empty` for one where nothing has happened yet. */
export async function standInAlerting(page: Page, empty = false): Promise<Done> {
  const done: Done = { saved: [], ended: [], resent: [], forgotten: [], acked: [], asked: [] };
  const world: World = {
    silences: empty ? [] : silencesNow(),
    dead: madeDead(),
    acks: new Map(),
    done,
    empty,
    now: Date.now(),
    happened: [],
  };
  await page.route('**/api/afferent/v1/alerting/**', async (route: Route) => {
    const url = new URL(route.request().url());
    done.asked.push(url);
    await route.fulfill(answer(world, route.request(), url.pathname.replace('/api/afferent/v1/alerting/', '')));
  });
  await page.route('**/api/v2/alerts?*', (route) => route.fulfill({ json: empty ? [] : sentAlerts(world) }));
  await page.route('**/api/v2/alerts', (route) => route.fulfill({ json: empty ? [] : sentAlerts(world) }));
  await page.route('**/api/v2/status*', (route) => route.fulfill({ json: { config: { original: CONFIG } } }));
  return done;
}
