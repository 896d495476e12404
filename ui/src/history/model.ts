// What happened, in words: kinds of events, how bad they are, what each is about; and the list as CSV.
import { levelOf, levelWord } from '../alerts/severity';
import type { EventKind, HistoryEvent, NoisyAlert } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import type { Level } from '../parts/Severity';
import { csvRows } from '../series/csv';
import { formatLabels, hashText } from '../series/labels';

export const KIND_WORD: Record<EventKind, string> = {
  firing: 'Firing',
  resolved: 'Resolved',
  muted: 'Kept quiet',
  unmuted: 'No longer quiet',
  queued: 'Queued',
  dropped: 'Dropped',
  sent: 'Sent',
  failed: 'Attempt failed',
  dead: 'Refused',
  silence_created: 'Silence made',
  silence_updated: 'Silence edited',
  silence_expired: 'Silence ended',
  silence_recurred: 'Silence came again',
  silence_expiring: 'Silence ends soon',
  acknowledged: 'Acknowledged',
  unacknowledged: 'Acknowledgement taken back',
  reloaded: 'Configuration loaded',
  retired: 'Group retired',
  orphaned: 'Orphaned',
};

export type Family = 'alerts' | 'quiet' | 'notifications' | 'silences' | 'people' | 'configuration';
export const FAMILIES: Record<Family, { word: string; kinds: readonly EventKind[] }> = {
  alerts: { word: 'Alerts', kinds: ['firing', 'resolved'] },
  quiet: { word: 'Kept quiet', kinds: ['muted', 'unmuted'] },
  notifications: { word: 'Notifications', kinds: ['queued', 'sent', 'failed', 'dead', 'dropped'] },
  silences: {
    word: 'Silences',
    kinds: ['silence_created', 'silence_updated', 'silence_expired', 'silence_recurred', 'silence_expiring'],
  },
  people: { word: 'Acknowledgements', kinds: ['acknowledged', 'unacknowledged'] },
  configuration: { word: 'Configuration', kinds: ['reloaded', 'retired', 'orphaned'] },
};
export const FAMILY_NAMES = Object.keys(FAMILIES) as Family[];

/** A family, or one kind; what is neither filters nothing. */
export function kindsOf(text: string): readonly EventKind[] {
  if (Object.hasOwn(FAMILIES, text)) return FAMILIES[text as Family].kinds;
  return Object.hasOwn(KIND_WORD, text) ? [text as EventKind] : [];
}

/** Null for what is neither good nor bad. */
export function levelOfEvent(event: HistoryEvent): Level | null {
  if (event.kind === 'firing') return levelOf(event.labels ?? {});
  if (event.kind === 'resolved') return 'ok';
  if (event.kind === 'dead') return 'critical';
  return event.kind === 'failed' || event.kind === 'orphaned' ? 'warning' : null;
}

/** Severity is a word, too: what began to fire is as bad as its label says. */
export const wordOfEvent = (event: HistoryEvent): string =>
  event.kind === 'firing' && event.labels?.severity
    ? `${KIND_WORD.firing}, ${levelWord(event.labels).toLowerCase()}`
    : KIND_WORD[event.kind];

/** A group's key is that of its route and its labels: `{}/{team="x"}:{alertname="A"}`. */
export const groupName = (key: string): string => {
  const at = key.lastIndexOf(':{');
  return at < 0 ? key : key.slice(at + 1);
};

export type Subject = { name: string; rest: string };

/** What an event is about: an alert, else who was told, else a silence. */
export function subjectOf(event: HistoryEvent): Subject {
  const { labels, receiver, group, alerts, silence } = event;
  if (labels && Object.keys(labels).length > 0) {
    const { alertname = '', severity: _severity, ...others } = labels;
    const rest = formatLabels(others);
    return { name: alertname || rest, rest: alertname && rest !== '{}' ? rest : '' };
  }
  const count = alerts?.length ?? 0;
  const some = count === 0 ? '' : count === 1 ? 'one alert' : `${count} alerts`;
  const rest = [some, group ? `of ${groupName(group)}` : ''].filter(Boolean).join(' ');
  if (receiver) return { name: receiver, rest };
  if (group) return { name: groupName(group), rest: some };
  return { name: silence ? `Silence ${silence.slice(0, 8)}` : '', rest: '' };
}

/** Events have no identity of their own; equal ones of one instant are told apart by their place among themselves. */
export function keysOf(events: readonly HistoryEvent[]): string[] {
  const seen = new Map<string, number>();
  return events.map((event) => {
    const hash = `${event.at}.${hashText(JSON.stringify(event)).toString(36)}`;
    const before = seen.get(hash) ?? 0;
    seen.set(hash, before + 1);
    return before === 0 ? hash : `${hash}-${before}`;
  });
}

const COLUMNS = [
  'alert',
  'labels',
  'group',
  'receiver',
  'attempt',
  'alerts',
  'silence',
  'by',
  'text',
] as const satisfies readonly (keyof HistoryEvent)[];

export function historyCsv(events: readonly HistoryEvent[]): string {
  const text = (value: HistoryEvent[(typeof COLUMNS)[number]]): string | number => {
    if (value === undefined) return '';
    if (Array.isArray(value)) return value.join(' ');
    return typeof value === 'object' ? formatLabels(value as Labels) : value;
  };
  const rows = events.map((event) => [
    new Date(event.at).toISOString(),
    event.kind,
    ...COLUMNS.map((column) => text(event[column])),
  ]);
  return csvRows([['at', 'kind', ...COLUMNS], ...rows]);
}

export type Only = '' | 'flapping' | 'unacted';

export const noisy = (alerts: readonly NoisyAlert[], only: Only): NoisyAlert[] =>
  alerts.filter((alert) => (only === 'flapping' ? alert.flapping > 0 : only === 'unacted' ? alert.neverActedOn : true));
