import { describe, expect, it } from 'vitest';
import { axisTimes, formatAgo, formatDuration, formatTime, zoneName } from './format';

describe('durations', () => {
  it.each([
    [0, '0 s'],
    [0.000_000_5, '500 ns'],
    [0.000_34, '340 µs'],
    [0.012_34, '12.3 ms'],
    [0.9996, '1 s'],
    [1.5, '1.5 s'],
    [75, '1m 15s'],
    [3600, '1h'],
    [3661, '1h 1m'],
    [86_400 * 2 + 3600 * 5 + 12, '2d 5h'],
    [-75, '-1m 15s'],
    [Number.NaN, 'NaN'],
  ])('%f s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('says how long ago', () => {
    expect(formatAgo(10_000, 10_400)).toBe('just now');
    expect(formatAgo(10_000, 22_000)).toBe('12 s ago');
    expect(formatAgo(22_000, 10_000)).toBe('in 12 s');
  });
});

describe('instants', () => {
  const at = Date.UTC(2026, 0, 31, 4, 5, 9, 70);
  it('prints in UTC, milliseconds only if there are any', () => {
    expect(formatTime(at, 'utc')).toBe('2026-01-31 04:05:09');
    expect(formatTime(at, 'utc', true)).toBe('2026-01-31 04:05:09.070');
    expect(formatTime(at - 70, 'utc', true)).toBe('2026-01-31 04:05:09');
    expect(zoneName('utc', at)).toBe('UTC');
  });

  it('labels an axis: clock, date where the day turns, days alone for long steps', () => {
    const midnight = Date.UTC(2026, 0, 31) / 1000;
    expect(axisTimes([midnight - 3600, midnight, midnight + 3600], 3600, 'utc')).toEqual([
      '23:00\n01-30',
      '00:00\n01-31',
      '01:00',
    ]);
    expect(axisTimes([midnight, midnight + 5], 5, 'utc')).toEqual(['00:00:00', '00:00:05']);
    expect(axisTimes([midnight], 86_400, 'utc')).toEqual(['01-31']);
    expect(axisTimes([midnight + 0.25], 0.25, 'utc')).toEqual(['00:00.250']);
  });
});
