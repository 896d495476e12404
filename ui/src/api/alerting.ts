// Alerting as the server keeps it: silences, history, noise, outbox, routes, and why an alert is or is not told.
// Times are epoch milliseconds, except those that Alertmanager's API v2 has as well, which are RFC 3339.
import { ApiError, call, encode, get, read, send } from './http';
import type { Labels } from './prometheus';

const ROOT = '/api/afferent/v1/alerting';

async function put<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(body), ...(signal ? { signal } : {}) };
  return (await read<T>(await send(`${ROOT}/${path}`, init), `${ROOT}/${path}`)).data;
}

const ask = async <T>(path: string, params: Parameters<typeof get>[1] = {}, signal?: AbortSignal): Promise<T> =>
  (await get<T>(`${ROOT}/${path}`, params, signal)).data;

export type Matcher = { name: string; value: string; isRegex: boolean; isEqual: boolean };
export type SilenceState = 'active' | 'pending' | 'expired';
export type Recurrence = {
  /** Every day where there are none. */
  weekdays: string[];
  /** By the clock, `22:00`; an end that is not behind the start is the next day's. */
  start: string;
  end: string;
  timeZone: string;
  until?: string | null;
};
/** What a new silence consists of; with an id an old one is edited. */
export type SilencePost = {
  id?: string;
  matchers: Matcher[];
  createdBy: string;
  comment: string;
  startsAt?: string;
  endsAt?: string;
  recurrence?: Recurrence;
  remindMinutes?: number;
};
export type Silence = {
  id: string;
  status: { state: SilenceState };
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
  recurrence: Recurrence | null;
  remindMinutes: number | null;
  /** The occurrence behind the present one. */
  nextStartsAt: string | null;
  nextEndsAt: string | null;
  /** Alerts that match now. */
  matching: number;
};
export type Preview = {
  now: { fingerprint: string; labels: Labels; startsAt: number; receivers: string[] }[];
  past: { fingerprint: string; labels: Labels; times: number; lastAt: number; isNow: boolean }[];
  days: number;
  firing: number;
  truncated: boolean;
};
export type SilenceLimits = { maxDurationMs: number | null; requireComment: boolean };

export const fetchSilences = (signal?: AbortSignal) => ask<Silence[]>('silences', {}, signal);
export const saveSilence = async (silence: SilencePost): Promise<string> =>
  (await put<{ silenceID: string }>('silences', silence)).silenceID;
export const expireSilence = (id: string) => call<unknown>('DELETE', `${ROOT}/silences/${encodeURIComponent(id)}`);
export const previewSilence = (matchers: readonly Matcher[], days: number, signal?: AbortSignal) =>
  put<Preview>('silences/preview', { matchers, days }, signal);
export const fetchSilenceLimits = (signal?: AbortSignal) => ask<SilenceLimits>('silences/limits', {}, signal);

export type EventKind =
  | 'firing'
  | 'resolved'
  | 'muted'
  | 'unmuted'
  | 'queued'
  | 'dropped'
  | 'sent'
  | 'failed'
  | 'dead'
  | 'silence_created'
  | 'silence_updated'
  | 'silence_expired'
  | 'silence_recurred'
  | 'silence_expiring'
  | 'acknowledged'
  | 'unacknowledged'
  | 'reloaded'
  | 'retired'
  | 'orphaned';
/** What does not apply is absent. */
export type HistoryEvent = {
  at: number;
  kind: EventKind;
  alert?: string;
  labels?: Labels;
  group?: string;
  receiver?: string;
  alerts?: string[];
  silence?: string;
  by?: string;
  text?: string;
  attempt?: number;
};
export type HistoryRequest = {
  start?: number;
  end?: number;
  limit?: number;
  cursor?: string;
  kind?: string[];
  filter?: string[];
  receiver?: string;
  alert?: string;
  silence?: string;
};
export type HistoryPage = { events: HistoryEvent[]; next: string | null };

/** Both ends in milliseconds; the API takes seconds, as Prometheus does. */
export function fetchHistory(request: HistoryRequest, signal?: AbortSignal): Promise<HistoryPage> {
  const { start, end, ...rest } = request;
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : String(ms / 1000));
  return ask<HistoryPage>('history', { ...rest, start: seconds(start), end: seconds(end) } as never, signal);
}

export type NoisyAlert = {
  alertname: string;
  firings: number;
  instances: number;
  notifications: number;
  flapping: number;
  acknowledged: number;
  silenced: number;
  neverActedOn: boolean;
  resolveP50Ms: number | null;
  resolveP95Ms: number | null;
  firingMs: number;
  lastAt: number;
};
export type Noise = {
  days: number;
  from: number;
  to: number;
  firings: number;
  notifications: number;
  truncated: boolean;
  alerts: NoisyAlert[];
  receivers: { receiver: string; notifications: number; failed: number; dead: number }[];
};
export const fetchNoise = (days: number, signal?: AbortSignal) => ask<Noise>('noise', { days }, signal);

export type Waiting = {
  id: number;
  receiver: string;
  integration: string;
  kind: string;
  groupKey: string;
  groupLabels: Labels;
  reason: string;
  alerts: number;
  firing: number;
  resolved: number;
  sample: { fingerprint: string; labels: Labels; resolved: boolean }[];
  attempts: number;
  inFlight: boolean;
  queuedAt: string;
  nextAttempt: string;
  lastError: string;
};
export type DeadLetter = Waiting & { refusedAt: string; refusal: string; canResend: boolean };
export type Integration = {
  integration: string;
  receiver: string;
  kind: string;
  sendResolved: boolean;
  waiting: number;
  failures: number;
  inFlight: number;
  notBefore: number | null;
  lastTold: number | null;
};
export type Outbox = { waiting: Waiting[]; deadLetters: DeadLetter[]; integrations: Integration[] };
export const fetchOutbox = (signal?: AbortSignal) => ask<Outbox>('outbox', {}, signal);
export const resendLetter = (id: number) => call<unknown>('POST', `${ROOT}/outbox/${id}/resend`);
export const forgetLetter = (id: number) => call<unknown>('DELETE', `${ROOT}/outbox/${id}`);

export type RouteNode = {
  id: number;
  parent: number | null;
  receiver: string;
  matchers: string;
  continue: boolean;
  groupBy: string[];
  groupWait: string;
  groupInterval: string;
  repeatInterval: string;
  muteTimeIntervals: string[];
  activeTimeIntervals: string[];
  /** Times because of which nothing is sent now. */
  mutedBy?: string[];
  integrations?: string[];
  /** Of the configuration in force only. */
  groups?: number;
  alerts?: number;
};
export type RouteTest = {
  receivers: string[];
  routes: { path: number[]; receiver: string; groupLabels: Labels }[];
  tree: RouteNode[];
};
export type WhatIf = {
  days: number;
  from: number;
  to: number;
  alerts: number;
  truncated: boolean;
  warnings: string[];
  recorded: number;
  current: number;
  candidate: number;
  receivers: { receiver: string; recorded: number; current: number; candidate: number }[];
  changes: { fingerprint: string; labels: Labels; current: Told[]; candidate: Told[] }[];
  timeline: { at: number; current: number; candidate: number }[];
};
export type Told = { receiver: string; notifications: number };
export const fetchRoutes = (signal?: AbortSignal) => ask<RouteNode[]>('routes', {}, signal);
export const testRoutes = (labels: Labels, config: string | undefined, signal?: AbortSignal) =>
  put<RouteTest>('routes/test', { labels, ...(config === undefined ? {} : { config }) }, signal);
export const whatIf = (config: string, days: number, signal?: AbortSignal) =>
  put<WhatIf>('whatif', { config, days }, signal);

export type Acknowledgement = { by: string; at: number; assignee: string; comment: string };
export type ToldIntegration = {
  integration: string;
  sendResolved: boolean;
  lastTold: number | null;
  toldFiring: boolean;
  repeatAt: number | null;
  waiting: { id: number; attempts: number; lastError: string; nextAttempt: number } | null;
  refused: { id: number; reason: string } | null;
  wouldTell: boolean;
  next: string;
};
export type GroupExplanation = {
  groupKey: string;
  groupLabels: Labels;
  receiver: string;
  route: { id: number; matchers: string }[];
  exists: boolean;
  guest: boolean;
  nextFlush: number | null;
  mutedBy: string[];
  integrations: ToldIntegration[];
};
export type Explanation = {
  fingerprint: string;
  labels: Labels;
  state: 'firing' | 'resolved' | 'past' | 'unknown';
  acknowledgement: Acknowledgement | null;
  silencedBy: string[];
  inhibitedBy: string[];
  groups: GroupExplanation[];
  events: HistoryEvent[];
};
export const explainAlert = (fingerprint: string, signal?: AbortSignal) =>
  ask<Explanation>('explain', { fingerprint }, signal);
export const acknowledge = (fingerprint: string, ack: Omit<Acknowledgement, 'at'>) =>
  put<unknown>(`alerts/${fingerprint}/ack`, ack);
export const unacknowledge = (fingerprint: string) => call<unknown>('DELETE', `${ROOT}/alerts/${fingerprint}/ack`);

/** An alert as API v2 lists it. */
export type SentAlert = {
  labels: Labels;
  annotations: Labels;
  fingerprint: string;
  startsAt: string;
  endsAt: string;
  generatorURL?: string;
  receivers: { name: string }[];
  status: { state: string; silencedBy: string[]; inhibitedBy: string[]; mutedBy: string[] };
};

/** API v2 has no envelope; its errors are text as JSON, or an object with a message. */
async function v2<T>(path: string, params: Parameters<typeof encode>[0], signal?: AbortSignal): Promise<T> {
  const response = await send(`/api/v2/${path}?${encode(params)}`, signal ? { signal } : {});
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError(
      response.ok ? 'bad_response' : 'http',
      `/api/v2/${path} answered ${response.status}`,
      response.status,
    );
  }
  if (response.ok) return body as T;
  const said = typeof body === 'string' ? body : (body as { message?: string }).message;
  throw new ApiError('http', said ?? `/api/v2/${path} answered ${response.status}`, response.status);
}

/** All that have not ended, those that are kept quiet among them. */
export const fetchSentAlerts = (signal?: AbortSignal) => v2<SentAlert[]>('alerts', {}, signal);
/** The configuration in force, as it was written, without its secrets. */
export const fetchConfiguration = async (signal?: AbortSignal): Promise<string> =>
  (await v2<{ config: { original: string } }>('status', {}, signal)).config.original;
