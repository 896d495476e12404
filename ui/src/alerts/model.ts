// Alerts as the page lists them: by a label, the worst group first, then the newest; and what their annotations hold.
import type { SentAlert } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import { type ActiveAlert, type AlertingRule, type AlertState, whenMs } from '../api/rules';
import type { Level } from '../parts/Severity';
import { matchesText } from '../parts/words';
import type { Entry } from '../rules/model';
import { formatLabels, hashText } from '../series/labels';
import { fits, type LabelFilter } from './filters';
import type { Ack } from './sent';
import { levelOf, rankOf, worst } from './severity';

export type Filter = { text: string; levels: Level[]; labels: LabelFilter[] };
export type Alert = {
  key: string;
  labels: Labels;
  level: Level;
  since: number | null;
  active: ActiveAlert;
  from: Entry;
  /** As the dispatcher has it; null before it was told, and while nobody knows. */
  sent: SentAlert | null;
  ack: Ack | null;
};
/** The alerts of one rule within a group. */
export type RuleAlerts = { from: Entry; rule: AlertingRule; alerts: Alert[] };
export type AlertGroup = {
  name: string;
  level: Level;
  since: number | null;
  count: number;
  rules: RuleAlerts[];
  common: Labels;
};

const collator = new Intl.Collator('en', { numeric: true });

export function alertsOf(entries: readonly Entry[]): Alert[] {
  return entries.flatMap((from) => {
    const { rule } = from;
    if (rule.type !== 'alerting') return [];
    return (rule.alerts ?? []).map((active) => ({
      key: `${from.key}.${hashText(formatLabels(active.labels)).toString(36)}`,
      labels: active.labels,
      level: levelOf(active.labels),
      since: whenMs(active.activeAt),
      active,
      from,
      sent: null,
      ack: null,
    }));
  });
}

const textsOf = (labels: Labels, annotations: Labels): string[] => [
  ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  ...Object.values(annotations),
];

/** Without the levels, of which the page shows how many there are. */
export function filterAlerts(alerts: readonly Alert[], filter: Filter): Alert[] {
  return alerts.filter(
    (alert) =>
      fits(alert.labels, filter.labels) && matchesText(filter.text, textsOf(alert.labels, alert.active.annotations)),
  );
}

export const ofState = (alerts: readonly Alert[], state: AlertState): Alert[] =>
  alerts.filter((alert) => alert.active.state === state);

export const ofLevels = (alerts: readonly Alert[], levels: readonly Level[]): Alert[] =>
  levels.length === 0 ? [...alerts] : alerts.filter((alert) => levels.includes(alert.level));

export function countLevels(alerts: readonly Alert[]): Record<Level, number> {
  const counts: Record<Level, number> = { critical: 0, warning: 0, info: 0, ok: 0, unknown: 0 };
  for (const alert of alerts) counts[alert.level]++;
  return counts;
}

/** Rules that watch and find nothing. */
export function inactiveRules(entries: readonly Entry[], filter: Filter): Entry[] {
  return entries.filter(({ rule }) => {
    if (rule.type !== 'alerting' || rule.state === 'firing' || rule.state === 'pending') return false;
    const labels = { ...rule.labels, alertname: rule.name };
    if (filter.levels.length > 0 && !filter.levels.includes(levelOf(labels))) return false;
    return fits(labels, filter.labels) && matchesText(filter.text, textsOf(labels, rule.annotations));
  });
}

const earliest = (times: readonly (number | null)[]): number | null => {
  const known = times.filter((time) => time !== null);
  return known.length > 0 ? Math.min(...known) : null;
};

/** The labels that all of them have with the same value: said once, above them. */
export function commonLabels(alerts: readonly Alert[]): Labels {
  const [first] = alerts;
  if (!first || alerts.length < 2) return {};
  return Object.fromEntries(
    Object.entries(first.labels).filter(([name, value]) => alerts.every((alert) => alert.labels[name] === value)),
  );
}

export function groupAlerts(alerts: readonly Alert[], by: string): AlertGroup[] {
  const groups = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const name = alert.labels[by] ?? '';
    groups.set(name, [...(groups.get(name) ?? []), alert]);
  }
  const out = [...groups].map(([name, members]): AlertGroup => {
    const rules = new Map<string, RuleAlerts>();
    for (const alert of members) {
      const { from } = alert;
      if (from.rule.type !== 'alerting') continue;
      const own = rules.get(from.key) ?? { from, rule: from.rule, alerts: [] };
      rules.set(from.key, own);
      own.alerts.push(alert);
    }
    for (const own of rules.values()) own.alerts.sort(compareAlerts);
    return {
      name,
      level: worst(members.map((alert) => alert.level)) ?? 'unknown',
      since: earliest(members.map((alert) => alert.since)),
      count: members.length,
      rules: [...rules.values()].sort((a, b) => compareAlerts(a.alerts[0], b.alerts[0])),
      common: commonLabels(members),
    };
  });
  return out.sort(
    (a, b) => rankOf(a.level) - rankOf(b.level) || (b.since ?? 0) - (a.since ?? 0) || collator.compare(a.name, b.name),
  );
}

/** The worst first, then what is new, which somebody may not know of yet. */
function compareAlerts(a: Alert | undefined, b: Alert | undefined): number {
  if (!a || !b) return 0;
  return (
    rankOf(a.level) - rankOf(b.level) ||
    (b.since ?? 0) - (a.since ?? 0) ||
    collator.compare(formatLabels(a.labels), formatLabels(b.labels))
  );
}

/** Labels that alerts can be grouped by; the one that is chosen stays among them when its last alert ends. */
export function labelNames(alerts: readonly Alert[], chosen: string): string[] {
  const names = new Set([...alerts.flatMap((alert) => Object.keys(alert.labels)), chosen]);
  names.delete('alertname');
  return ['alertname', ...[...names].sort(collator.compare)];
}

/** An address that may be opened; annotations are written by whoever writes rules and by what they measure. */
export function safeLink(text: string | undefined): string | null {
  if (!text || !/^https?:\/\//i.test(text.trim())) return null;
  try {
    const url = new URL(text.trim());
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

export type Told = {
  summary: string;
  description: string;
  runbook: string | null;
  others: [name: string, value: string][];
};

/** A runbook that is no address stays with the other annotations, as text. */
export function readAnnotations(annotations: Labels): Told {
  const { summary, message, description, runbook_url, runbook, ...others } = annotations;
  const link = safeLink(runbook_url) ?? safeLink(runbook);
  const rest = Object.entries(others);
  for (const [name, value] of [
    ['runbook_url', runbook_url],
    ['runbook', runbook],
  ] as const) {
    if (value && (link === null || safeLink(value) !== link)) rest.push([name, value]);
  }
  const title = summary ?? message ?? '';
  if (summary !== undefined && message !== undefined) rest.unshift(['message', message]);
  return { summary: title, description: description ?? '', runbook: link, others: rest };
}

/** The series that alerts come from: every label of them is a label of an alert. */
export function isAlerting(series: Labels, alerts: readonly Labels[]): boolean {
  const { __name__: _metric, ...labels } = series;
  return alerts.some((alert) => Object.entries(labels).every(([name, value]) => alert[name] === value));
}

/** Identity of the alerts of one rule within a group, fit for an address. */
export const blockKey = (by: string, group: AlertGroup, rule: RuleAlerts): string =>
  by === 'alertname' ? rule.from.key : `${rule.from.key}.${hashText(group.name).toString(36)}`;
