// Time ranges as Grafana writes them: `now-1h`, `now-1d/d`, epoch milliseconds, or a date in the page's time zone.

export type Zone = 'browser' | 'utc';
export type RangeText = { from: string; to: string };
/** Both ends in epoch milliseconds. */
export type Range = { start: number; end: number };
type Unit = 's' | 'm' | 'h' | 'd' | 'w' | 'M' | 'y';

const FIXED: Record<'s' | 'm' | 'h', number> = { s: 1000, m: 60_000, h: 3_600_000 };

type Fields = [year: number, month: number, day: number, hour: number, minute: number, second: number, ms: number];

function fields(ms: number, zone: Zone): Fields {
  const d = new Date(ms);
  return zone === 'utc'
    ? [
        d.getUTCFullYear(),
        d.getUTCMonth(),
        d.getUTCDate(),
        d.getUTCHours(),
        d.getUTCMinutes(),
        d.getUTCSeconds(),
        d.getUTCMilliseconds(),
      ]
    : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds()];
}

function fromFields(f: Fields, zone: Zone): number {
  return zone === 'utc' ? Date.UTC(...f) : new Date(...f).getTime();
}

function add(ms: number, count: number, unit: Unit, zone: Zone): number {
  if (unit === 's' || unit === 'm' || unit === 'h') return ms + count * FIXED[unit];
  const f = fields(ms, zone);
  if (unit === 'd') f[2] += count;
  if (unit === 'w') f[2] += 7 * count;
  if (unit === 'M' || unit === 'y') {
    const month = f[1] + (unit === 'M' ? count : 12 * count);
    const lastDay = new Date(Date.UTC(f[0], month + 1, 0)).getUTCDate();
    f[1] = month;
    f[2] = Math.min(f[2], lastDay);
  }
  return fromFields(f, zone);
}

function floorTo(ms: number, unit: Unit, zone: Zone): number {
  const f = fields(ms, zone);
  const keep: Record<Unit, number> = { y: 1, M: 2, w: 3, d: 3, h: 4, m: 5, s: 6 };
  if (unit === 'w') {
    const weekday = (new Date(Date.UTC(f[0], f[1], f[2])).getUTCDay() + 6) % 7;
    f[2] -= weekday;
  }
  for (let i = keep[unit]; i < 7; i++) f[i] = i === 2 ? 1 : 0;
  return fromFields(f, zone);
}

const RELATIVE = /^now((?:[+-]\d+[smhdwMy])*)(?:\/([smhdwMy]))?$/;
const ABSOLUTE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?(Z|[+-]\d{2}:?\d{2})?$/;

/**
 * The instant that `text` names, in epoch milliseconds, or null if it names none. `edge` decides which end of a rounded
 * unit is meant: `now/d` starts a range at midnight and ends it at the last millisecond of the day.
 */
export function parseTime(text: string, now: number, zone: Zone, edge: 'start' | 'end'): number | null {
  const trimmed = text.trim();
  const relative = RELATIVE.exec(trimmed);
  if (relative) {
    let at = now;
    for (const [, sign, count, unit] of (relative[1] ?? '').matchAll(/([+-])(\d+)([smhdwMy])/g)) {
      at = add(at, Number(count) * (sign === '-' ? -1 : 1), unit as Unit, zone);
    }
    const unit = relative[2] as Unit | undefined;
    if (unit) at = edge === 'start' ? floorTo(at, unit, zone) : floorTo(add(at, 1, unit, zone), unit, zone) - 1;
    return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? at : null;
  }
  if (/^-?\d{9,16}$/.test(trimmed)) return Number(trimmed);
  return parseDate(trimmed, zone, edge);
}

function parseDate(text: string, zone: Zone, edge: 'start' | 'end'): number | null {
  const m = ABSOLUTE.exec(text);
  if (!m) return null;
  const part = (i: number) => Number(m[i] ?? 0);
  const dateOnly = m[4] === undefined;
  const millis = m[7] ? Number(m[7].padEnd(3, '0')) : 0;
  const wanted: Fields = [part(1), part(2) - 1, part(3), part(4), part(5), part(6), millis];
  if (dateOnly && edge === 'end') wanted.splice(3, 4, 23, 59, 59, 999);
  const offset = m[8];
  const asUtc = Date.UTC(...wanted);
  const back = fields(asUtc, 'utc');
  if (wanted.some((value, i) => value !== back[i])) return null;
  if (!offset) return fromFields(wanted, zone);
  if (offset === 'Z') return asUtc;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
  return asUtc - minutes * 60_000 * (offset[0] === '-' ? -1 : 1);
}

export type RangeProblem = { field: 'from' | 'to'; message: string };

/** Resolves a range, or says which field is wrong and why. */
export function resolveRange(text: RangeText, now: number, zone: Zone): Range | RangeProblem {
  const start = parseTime(text.from, now, zone, 'start');
  if (start === null) return { field: 'from', message: `“${text.from}” is not a time. Try now-1h or 2026-01-31 14:00` };
  const end = parseTime(text.to, now, zone, 'end');
  if (end === null) return { field: 'to', message: `“${text.to}” is not a time. Try now or 2026-01-31 15:00` };
  if (end <= start) return { field: 'to', message: 'The end must be later than the start' };
  return { start, end };
}

export function isProblem(range: Range | RangeProblem): range is RangeProblem {
  return 'message' in range;
}

/** True if the range moves with the clock. */
export function isRelative(text: RangeText): boolean {
  return text.from.includes('now') || text.to.includes('now');
}

export function absolute(range: Range): RangeText {
  return { from: String(Math.round(range.start)), to: String(Math.round(range.end)) };
}

/** Twice as wide around the same middle, as Grafana's zoom out does. */
export function zoomOut(range: Range): Range {
  const half = Math.max(range.end - range.start, 1000) / 2;
  return { start: range.start - half, end: range.end + half };
}

/** Half a range to the left (-1) or right (+1), never past `now`. */
export function shift(range: Range, direction: -1 | 1, now: number): Range {
  const width = range.end - range.start;
  const end = range.end + (direction * width) / 2;
  const stop = direction === 1 ? Math.max(Math.min(end, now), range.end) : end;
  return { start: stop - width, end: stop };
}

export const QUICK_RANGES: readonly (RangeText & { label: string })[] = [
  { from: 'now-5m', to: 'now', label: 'Last 5 minutes' },
  { from: 'now-15m', to: 'now', label: 'Last 15 minutes' },
  { from: 'now-30m', to: 'now', label: 'Last 30 minutes' },
  { from: 'now-1h', to: 'now', label: 'Last 1 hour' },
  { from: 'now-3h', to: 'now', label: 'Last 3 hours' },
  { from: 'now-6h', to: 'now', label: 'Last 6 hours' },
  { from: 'now-12h', to: 'now', label: 'Last 12 hours' },
  { from: 'now-24h', to: 'now', label: 'Last 24 hours' },
  { from: 'now-2d', to: 'now', label: 'Last 2 days' },
  { from: 'now-7d', to: 'now', label: 'Last 7 days' },
  { from: 'now-30d', to: 'now', label: 'Last 30 days' },
  { from: 'now-90d', to: 'now', label: 'Last 90 days' },
  { from: 'now-6M', to: 'now', label: 'Last 6 months' },
  { from: 'now-1y', to: 'now', label: 'Last 1 year' },
  { from: 'now-1d/d', to: 'now-1d/d', label: 'Yesterday' },
  { from: 'now-7d/d', to: 'now-7d/d', label: 'This day last week' },
  { from: 'now-1w/w', to: 'now-1w/w', label: 'Previous week' },
  { from: 'now-1M/M', to: 'now-1M/M', label: 'Previous month' },
  { from: 'now/d', to: 'now/d', label: 'Today' },
  { from: 'now/d', to: 'now', label: 'Today so far' },
  { from: 'now/w', to: 'now/w', label: 'This week' },
  { from: 'now/w', to: 'now', label: 'This week so far' },
  { from: 'now/M', to: 'now', label: 'This month so far' },
];

const UNIT_WORDS: Record<Unit, string> = {
  s: 'second',
  m: 'minute',
  h: 'hour',
  d: 'day',
  w: 'week',
  M: 'month',
  y: 'year',
};

/** What the range button says. `show` prints an absolute time in the page's zone. */
export function describeRange(text: RangeText, show: (ms: number) => string): string {
  const quick = QUICK_RANGES.find((q) => q.from === text.from && q.to === text.to);
  if (quick) return quick.label;
  const last = /^now-(\d+)([smhdwMy])$/.exec(text.from);
  if (last && text.to === 'now') {
    const count = Number(last[1]);
    return `Last ${count} ${UNIT_WORDS[last[2] as Unit]}${count === 1 ? '' : 's'}`;
  }
  const side = (value: string) => (/^\d{9,16}$/.test(value) ? show(Number(value)) : value);
  return `${side(text.from)} to ${side(text.to)}`;
}
