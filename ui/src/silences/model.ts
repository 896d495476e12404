// Silences as the page lists them, and what is wrong with one before it is made.
import type { Matcher, Recurrence, Silence, SilenceLimits, SilencePost, SilenceState } from '../api/alerting';
import { whenMs } from '../api/rules';
import { matchesText } from '../parts/words';
import { csvRows } from '../series/csv';
import { formatDuration } from '../time/format';
import { parseTime, type Zone } from '../time/range';
import { parseDuration } from '../time/step';
import { matchersText } from './matchers';

export const STATES: readonly SilenceState[] = ['active', 'pending', 'expired'];
export const STATE_WORD: Record<SilenceState, string> = { active: 'Active', pending: 'Pending', expired: 'Expired' };
export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export const DURATIONS = ['30m', '1h', '2h', '4h', '8h', '1d', '3d', '1w'] as const;

/** A silence as it is being written: text as typed, so that nothing typed is lost. */
export type Draft = {
  /** Of the silence that is edited; empty for a new one. */
  id: string;
  matchers: Matcher[];
  /** An instant, or empty for now. */
  starts: string;
  /** A duration or an instant. */
  ends: string;
  /** In place of both. */
  repeats: Recurrence | null;
  comment: string;
  /** Minutes before the end; empty for no reminder. */
  remind: string;
};

const endMs = (silence: Silence) => whenMs(silence.endsAt) ?? 0;
const startMs = (silence: Silence) => whenMs(silence.startsAt) ?? 0;

/** What ends first stands first; of those that are over, what ended last. */
export function ofState(silences: readonly Silence[], state: SilenceState): Silence[] {
  const own = silences.filter((silence) => silence.status.state === state);
  if (state === 'active') return own.sort((a, b) => endMs(a) - endMs(b));
  if (state === 'pending') return own.sort((a, b) => startMs(a) - startMs(b));
  return own.sort((a, b) => endMs(b) - endMs(a));
}

export const filterSilences = (silences: readonly Silence[], text: string): Silence[] =>
  silences.filter((s) => matchesText(text, [matchersText(s.matchers), s.comment, s.createdBy, s.id]));

/** Whether a condition holds where the label is absent: a silence of such alone would keep everything quiet. */
function takesEmpty(matcher: Matcher): boolean {
  if (!matcher.isRegex) return (matcher.value === '') === matcher.isEqual;
  try {
    return new RegExp(`^(?:${matcher.value})$`).test('') === matcher.isEqual;
  } catch {
    // A pattern that only the server understands.
    return false;
  }
}

export type Times = { start: number; end: number };
export type Field = 'matchers' | 'starts' | 'ends' | 'comment' | 'by' | 'window';
export type Problem = { field: Field; message: string };

/** Both ends in milliseconds; null where one of them is not a time. */
export function timesOf(draft: Draft, now: number, zone: Zone): Times | null {
  const start = draft.starts.trim() === '' ? now : parseTime(draft.starts, now, zone, 'start');
  if (start === null) return null;
  const length = /^\d+$/.test(draft.ends.trim()) && draft.ends.trim().length < 9 ? null : parseDuration(draft.ends);
  const end = length !== null && length < 1e9 ? start + length * 1000 : parseTime(draft.ends, now, zone, 'end');
  return end === null ? null : { start, end };
}

function windowProblem(repeats: Recurrence, now: number, zone: Zone): string | null {
  const clock = /^([01]\d|2[0-3]):[0-5]\d$/;
  if (!clock.test(repeats.start) || !clock.test(repeats.end)) return 'Say when the window starts and ends, as in 22:00';
  if (repeats.until && parseTime(repeats.until, now, zone, 'end') === null) return 'The last day is not a date';
  return null;
}

/** What keeps a draft from being taken, in the order of its fields. */
export function problemsOf(
  draft: Draft,
  by: string,
  limits: SilenceLimits | undefined,
  now: number,
  zone: Zone,
): Problem[] {
  const out: Problem[] = [];
  const say = (field: Field, message: string) => out.push({ field, message });
  if (draft.matchers.some((m) => m.name.trim() === '' && m.value !== ''))
    say('matchers', 'A condition has no label name');
  const full = draft.matchers.filter((m) => m.name.trim() !== '');
  if (full.length === 0) say('matchers', 'Name at least one label');
  else if (full.every(takesEmpty)) say('matchers', 'At least one condition must not hold where the label is absent');
  if (draft.repeats) {
    const wrong = windowProblem(draft.repeats, now, zone);
    if (wrong) say('window', wrong);
  } else {
    const times = timesOf(draft, now, zone);
    if (!times)
      say(
        draft.starts.trim() !== '' && parseTime(draft.starts, now, zone, 'start') === null ? 'starts' : 'ends',
        'Give a duration such as 2h, or a time such as 2026-01-31 14:00',
      );
    else if (times.end <= times.start) say('ends', 'It must end after it starts');
    else if (times.end <= now) say('ends', 'It must end later than now');
    else if (limits?.maxDurationMs && times.end - times.start > limits.maxDurationMs)
      say('ends', `A silence may last ${formatDuration(limits.maxDurationMs / 1000)} at most`);
  }
  if (draft.comment.trim() === '') say('comment', 'Say why, for whoever sees it next');
  if (by.trim() === '') say('by', 'Say who you are');
  return out;
}

/** What is sent; the draft has no problems. */
export function postOf(draft: Draft, by: string, now: number, zone: Zone): SilencePost {
  const matchers = draft.matchers.filter((m) => m.name.trim() !== '').map((m) => ({ ...m, name: m.name.trim() }));
  const times = draft.repeats ? null : timesOf(draft, now, zone);
  const iso = (ms: number) => new Date(ms).toISOString();
  const until = draft.repeats?.until ? parseTime(draft.repeats.until, now, zone, 'end') : null;
  return {
    ...(draft.id ? { id: draft.id } : {}),
    matchers,
    createdBy: by.trim(),
    comment: draft.comment.trim(),
    ...(times ? { startsAt: iso(times.start), endsAt: iso(times.end) } : {}),
    ...(draft.repeats ? { recurrence: recurrenceOf(draft.repeats, until === null ? null : iso(until)) } : {}),
    ...(draft.remind ? { remindMinutes: Number(draft.remind) } : {}),
  };
}

function recurrenceOf(repeats: Recurrence, until: string | null): Recurrence {
  const { until: _text, ...rest } = repeats;
  return until === null ? rest : { ...rest, until };
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** `every Tuesday and Friday, 22:00 to 02:00 Europe/Berlin`. */
export function describeRecurrence(r: Recurrence): string {
  const all = r.weekdays.length === 0 || r.weekdays.length === 7;
  const sorted = WEEKDAYS.filter((day) => r.weekdays.includes(day)).map(capital);
  const weekly = sorted.length > 1 ? `${sorted.slice(0, -1).join(', ')} and ${sorted.at(-1)}` : (sorted[0] ?? '');
  const workdays = sorted.length === 5 && !r.weekdays.includes('saturday') && !r.weekdays.includes('sunday');
  const days = all ? 'day' : workdays ? 'working day' : weekly;
  return `every ${days}, ${r.start} to ${r.end} ${r.timeZone}`;
}

export function silencesCsv(silences: readonly Silence[]): string {
  const rows = silences.map((s) => [
    s.id,
    s.status.state,
    matchersText(s.matchers),
    s.startsAt,
    s.endsAt,
    s.createdBy,
    s.comment,
    s.recurrence ? describeRecurrence(s.recurrence) : '',
    s.matching,
  ]);
  return csvRows([['id', 'state', 'matchers', 'starts', 'ends', 'by', 'comment', 'recurrence', 'alerts'], ...rows]);
}
