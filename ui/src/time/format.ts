// Instants and durations for people. Durations are in seconds, instants in epoch milliseconds.
import type { Zone } from './range';

const two = (n: number) => String(n).padStart(2, '0');

type Parts = { date: string; clock: string; millis: string };

function parts(ms: number, zone: Zone): Parts {
  const d = new Date(zone === 'utc' ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000);
  return {
    date: `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`,
    clock: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`,
    millis: String(d.getUTCMilliseconds()).padStart(3, '0'),
  };
}

/** `2026-01-31 14:05:09` in the zone; milliseconds only where there are any and `millis` asks for them. */
export function formatTime(ms: number, zone: Zone, millis = false): string {
  if (!Number.isFinite(ms)) return '–';
  const p = parts(ms, zone);
  return `${p.date} ${p.clock}${millis && p.millis !== '000' ? `.${p.millis}` : ''}`;
}

export function formatClock(ms: number, zone: Zone): string {
  return parts(ms, zone).clock;
}

/** `UTC`, or the browser's offset at that instant: `UTC+02:00`. */
export function zoneName(zone: Zone, at: number): string {
  const minutes = zone === 'utc' ? 0 : -new Date(at).getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** Labels of a time axis: the clock, with the date where a day begins, and on the first label if others follow. */
export function axisTimes(splits: readonly number[], stepSeconds: number, zone: Zone): string[] {
  const all = splits.map((seconds) => parts(seconds * 1000, zone));
  let lastDate = all.every((p) => p.date === all[0]?.date) ? all[0]?.date : '';
  return all.map((p) => {
    const newDay = p.date !== lastDate;
    lastDate = p.date;
    if (stepSeconds >= 86_400) return p.date.slice(stepSeconds >= 86_400 * 180 ? 0 : 5);
    const clock = stepSeconds < 1 ? `${p.clock.slice(3)}.${p.millis}` : p.clock.slice(0, stepSeconds < 60 ? 8 : 5);
    return newDay ? `${clock}\n${p.date.slice(5)}` : clock;
  });
}

const STEPS: readonly [name: string, seconds: number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
];

/** Two units at most, as in `2h 5m`; below a minute three digits: `1.25 s`, `340 ms`, `12 µs`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return String(seconds);
  const sign = seconds < 0 ? '-' : '';
  const size = Math.abs(seconds);
  if (size === 0) return '0 s';
  if (size < 60) return sign + shortSeconds(size);
  let rest = Math.round(size);
  const out: string[] = [];
  for (const [name, length] of STEPS) {
    const count = Math.floor(rest / length);
    if (count > 0) out.push(`${count}${name}`);
    rest -= count * length;
    if (out.length === 2 || (out.length === 1 && count === 0)) break;
  }
  return sign + out.join(' ');
}

function shortSeconds(size: number): string {
  const scales: [number, string][] = [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
    [1e-9, 'ns'],
  ];
  const [factor, name] = scales.find(([f]) => size >= f * 0.9995) ?? [1e-9, 'ns'];
  return `${Number((size / factor).toPrecision(3))} ${name}`;
}

/** `12 s ago`, `3m ago`, `in 5 s`; `just now` below a second. */
export function formatAgo(ms: number, now: number): string {
  const seconds = (now - ms) / 1000;
  if (Math.abs(seconds) < 1) return 'just now';
  const whole = formatDuration(Math.round(Math.abs(seconds)));
  return seconds < 0 ? `in ${whole}` : `${whole} ago`;
}
