// What the dispatcher knows of alerts: kept quiet by whom, told to whom, acknowledged; and those that other systems have sent.
import { fetchHistory, fetchSentAlerts, type HistoryEvent, type SentAlert } from '../api/alerting';
import { ApiError } from '../api/http';
import type { Labels } from '../api/prometheus';
import type { AlertingRule } from '../api/rules';
import type { Entry } from '../rules/model';
import { formatLabels } from '../series/labels';
import type { Alert } from './model';
import { levelOf } from './severity';

export type Ack = { by: string; at: number; text: string };
/** `at`: when this was asked, in epoch milliseconds. */
export type Sent = { alerts: SentAlert[]; acks: ReadonlyMap<string, Ack>; at: number };

/** Acknowledgements end with their alert; few alerts are older. */
const LOOK_BACK = 30 * 86_400_000;

/** A server that does not alert has sent nothing. */
export async function fetchSent(signal: AbortSignal): Promise<Sent> {
  const at = Date.now();
  const start = at - LOOK_BACK;
  try {
    const [alerts, page] = await Promise.all([
      fetchSentAlerts(signal),
      fetchHistory({ kind: ['acknowledged', 'unacknowledged'], start, limit: 10_000 }, signal),
    ]);
    return { alerts, acks: acksOf(page.events), at };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { alerts: [], acks: new Map(), at };
    throw error;
  }
}

/** The last word on each alert; events come newest first. */
export function acksOf(events: readonly HistoryEvent[]): Map<string, Ack> {
  const seen = new Set<string>();
  const acks = new Map<string, Ack>();
  for (const { alert, kind, at, by = '', text = '' } of events) {
    if (!alert || seen.has(alert)) continue;
    seen.add(alert);
    if (kind === 'acknowledged') acks.set(alert, { by, at, text });
  }
  return acks;
}

const contains = (whole: Labels, part: Labels): boolean =>
  Object.entries(part).every(([name, value]) => whole[name] === value);

/** A rule that is no rule: what stands for one where another system has sent the alert. */
const foreignRule = (name: string): AlertingRule => ({
  type: 'alerting',
  name,
  query: '',
  state: 'firing',
  duration: 0,
  keepFiringFor: 0,
  annotations: {},
  alerts: null,
  health: 'ok',
  evaluationTime: 0,
  lastEvaluation: '',
});

export const isForeign = (entry: Entry): boolean => entry.rule.query === '';

function foreignEntry(name: string): Entry {
  const group = {
    name: 'Sent by other systems',
    file: '',
    rules: [],
    interval: 0,
    limit: 0,
    evaluationTime: 0,
    lastEvaluation: '',
  };
  return { key: `sent-${name}`, source: 'metrics', group, rule: foreignRule(name) };
}

/** The expression that a rule's link opens, as Prometheus and we write it. */
function expressionOf(alert: SentAlert): string | null {
  try {
    return new URL(alert.generatorURL ?? '', 'http://localhost').searchParams.get('g0.expr');
  } catch {
    return null;
  }
}

/** Sets of external labels that are remembered: there is one, unless relabelling makes more. */
const MOST_ADDED = 8;

/** What the server adds to labels, as one pair has shown it. */
function addedTo(part: Labels, whole: Labels): Labels {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => part[name] === undefined));
}

/** Finds an alert of a rule among those that were sent: with the same labels, else with external ones, which are the same for all. */
function finder(alerts: readonly SentAlert[]): (labels: Labels) => SentAlert | undefined {
  const exact = new Map(alerts.map((known) => [formatLabels(known.labels), known]));
  const named = new Map<string, SentAlert[]>();
  for (const known of alerts) {
    const name = known.labels.alertname ?? '';
    const list = named.get(name);
    if (list) list.push(known);
    else named.set(name, [known]);
  }
  const added: Labels[] = [{}];
  return (labels) => {
    for (const more of added) {
      const found = exact.get(formatLabels({ ...more, ...labels }));
      if (found) return found;
    }
    const found = (named.get(labels.alertname ?? '') ?? []).find((known) => contains(known.labels, labels));
    if (found && added.length < MOST_ADDED) added.push(addedTo(labels, found.labels));
    return found;
  };
}

/** Those that none of these alerts, which fire by rules here, has become. */
export function foreignOf(own: readonly Labels[], alerts: readonly SentAlert[]): SentAlert[] {
  const find = finder(alerts);
  const taken = new Set(own.map((labels) => find(labels)?.fingerprint));
  return alerts.filter((alert) => !taken.has(alert.fingerprint));
}

/** Each alert with what the dispatcher knows of it, and behind them those that no rule here has made. */
export function joinSent(alerts: readonly Alert[], sent: Sent, queries: ReadonlySet<string>): Alert[] {
  const find = finder(sent.alerts);
  const taken = new Set<string>();
  const own = alerts.map((alert): Alert => {
    const known = alert.active.state === 'firing' ? find(alert.labels) : undefined;
    if (!known) return alert;
    taken.add(known.fingerprint);
    return { ...alert, sent: known, ack: ackOf(known, sent) };
  });
  const entries = new Map<string, Entry>();
  const foreign = sent.alerts
    .filter((known) => !taken.has(known.fingerprint) && !queries.has(expressionOf(known) ?? ''))
    .map((known): Alert => {
      const name = known.labels.alertname ?? '';
      const from = entries.get(name) ?? foreignEntry(name);
      entries.set(name, from);
      const { labels, annotations, startsAt } = known;
      return {
        key: `sent.${known.fingerprint}`,
        labels,
        level: levelOf(labels),
        since: Date.parse(startsAt) || null,
        active: { labels, annotations, state: 'firing', activeAt: startsAt, value: 'NaN' },
        from,
        sent: known,
        ack: ackOf(known, sent),
      };
    });
  return [...own, ...foreign];
}

/** One of an earlier time that it fired does not count; of a start that lies ahead, as some senders write, nothing can be said. */
function ackOf(known: SentAlert, sent: Sent): Ack | null {
  const ack = sent.acks.get(known.fingerprint);
  const start = Date.parse(known.startsAt);
  return ack && (ack.at >= start || start > sent.at) ? ack : null;
}

export const isQuiet = ({ sent }: Alert): boolean =>
  sent !== null && sent.status.silencedBy.length + sent.status.inhibitedBy.length + sent.status.mutedBy.length > 0;

export type Handled = '' | 'open' | 'quiet' | 'acknowledged';
export const HANDLED: readonly [Handled, string][] = [
  ['', 'Handled or not'],
  ['open', 'Needs somebody'],
  ['acknowledged', 'Acknowledged'],
  ['quiet', 'Kept quiet'],
];

export const ofHandled = (alerts: readonly Alert[], handled: Handled): Alert[] =>
  alerts.filter((alert) => {
    if (handled === 'quiet') return isQuiet(alert);
    if (handled === 'acknowledged') return alert.ack !== null;
    return handled === '' || (!isQuiet(alert) && alert.ack === null);
  });
