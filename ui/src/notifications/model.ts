// Notifications as the page lists them: what receivers refused, what waits, and how each integration does.
import type { DeadLetter, Integration, Outbox, Waiting } from '../api/alerting';
import { whenMs } from '../api/rules';
import { groupName } from '../history/model';
import type { Level } from '../parts/Severity';
import { matchesText } from '../parts/words';
import { formatLabels } from '../series/labels';

export type Filter = { text: string; receiver: string };

const fits = (item: { receiver: string }, filter: Filter, texts: string[]): boolean =>
  (filter.receiver === '' || item.receiver === filter.receiver) && matchesText(filter.text, texts);

const textsOf = (item: Waiting): string[] => [
  item.integration,
  item.kind,
  item.reason,
  item.lastError,
  item.groupKey,
  formatLabels(item.groupLabels),
  ...item.sample.map((alert) => formatLabels(alert.labels)),
];

/** What waits: next try first. What was refused: newest first. */
export function filterOutbox(outbox: Outbox, filter: Filter): Outbox {
  const waiting = outbox.waiting.filter((item) => fits(item, filter, textsOf(item)));
  const dead = outbox.deadLetters.filter((item) => fits(item, filter, [...textsOf(item), item.refusal]));
  const next = (item: Waiting) => whenMs(item.nextAttempt) ?? 0;
  const refusedAt = (item: DeadLetter) => whenMs(item.refusedAt) ?? 0;
  return {
    waiting: waiting.sort((a, b) => Number(b.inFlight) - Number(a.inFlight) || next(a) - next(b)),
    deadLetters: dead.sort((a, b) => refusedAt(b) - refusedAt(a)),
    integrations: outbox.integrations
      .filter((item) => fits(item, filter, [item.integration, item.kind]))
      .sort((a, b) => b.failures - a.failures || b.waiting - a.waiting || (a.integration < b.integration ? -1 : 1)),
  };
}

export const receiversOf = (outbox: Outbox): string[] =>
  [...new Set(outbox.integrations.map((integration) => integration.receiver))].sort();

/** One failure is a hiccup; more in a row are a receiver that is down. */
export function stateOf(integration: Integration): { level: Level; word: string } {
  const { failures, waiting, lastTold } = integration;
  if (failures > 1) return { level: 'critical', word: 'Failing' };
  if (failures === 1) return { level: 'warning', word: 'Failed once' };
  if (waiting > 0) return { level: 'info', word: 'Sending' };
  return lastTold === null ? { level: 'unknown', word: 'Not used yet' } : { level: 'ok', word: 'Working' };
}

/** What a notification is about: the labels of its group, else its key. */
export function aboutOf(item: Waiting): { name: string; rest: string } {
  const { alertname, ...others } = item.groupLabels;
  const rest = formatLabels(others);
  if (alertname) return { name: alertname, rest: rest === '{}' ? '' : rest };
  return rest === '{}' ? { name: groupName(item.groupKey), rest: '' } : { name: rest, rest: '' };
}

export function countOf(item: Waiting): string {
  const parts = [item.firing > 0 && `${item.firing} firing`, item.resolved > 0 && `${item.resolved} resolved`];
  return parts.filter(Boolean).join(', ') || `${item.alerts} alerts`;
}
