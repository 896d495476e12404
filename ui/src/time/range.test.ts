import { describe, expect, it } from 'vitest';
import { absolute, describeRange, isProblem, parseTime, QUICK_RANGES, resolveRange, shift, zoomOut } from './range';

const NOW = Date.UTC(2026, 2, 11, 14, 30, 15, 250); // a Wednesday
const utc = (text: string, edge: 'start' | 'end' = 'start') => {
  const at = parseTime(text, NOW, 'utc', edge);
  return at === null ? null : new Date(at).toISOString();
};

describe('parseTime', () => {
  it.each([
    ['now', 'start', '2026-03-11T14:30:15.250Z'],
    ['now-1h', 'start', '2026-03-11T13:30:15.250Z'],
    ['now+90s', 'start', '2026-03-11T14:31:45.250Z'],
    ['now-1d-2h', 'start', '2026-03-10T12:30:15.250Z'],
    ['now/d', 'start', '2026-03-11T00:00:00.000Z'],
    ['now/d', 'end', '2026-03-11T23:59:59.999Z'],
    ['now-1d/d', 'end', '2026-03-10T23:59:59.999Z'],
    ['now/w', 'start', '2026-03-09T00:00:00.000Z'],
    ['now/M', 'start', '2026-03-01T00:00:00.000Z'],
    ['now/M', 'end', '2026-03-31T23:59:59.999Z'],
    ['now/y', 'start', '2026-01-01T00:00:00.000Z'],
    ['now-1M', 'start', '2026-02-11T14:30:15.250Z'],
    ['2026-01-31', 'start', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31', 'end', '2026-01-31T23:59:59.999Z'],
    ['2026-01-31 14:05', 'start', '2026-01-31T14:05:00.000Z'],
    ['2026-01-31T14:05:06.5Z', 'start', '2026-01-31T14:05:06.500Z'],
    ['2026-01-31T14:05:06+02:00', 'start', '2026-01-31T12:05:06.000Z'],
    ['1767225600000', 'start', '2026-01-01T00:00:00.000Z'],
  ] as const)('%s (%s)', (text, edge, expected) => expect(utc(text, edge)).toBe(expected));

  it('keeps to the last day of a shorter month', () => {
    const march31 = Date.UTC(2026, 2, 31, 12);
    expect(new Date(parseTime('now-1M', march31, 'utc', 'start') ?? 0).toISOString()).toBe('2026-02-28T12:00:00.000Z');
  });

  it.each(['', 'yesterday', 'now-', 'now-1x', 'now/q', '2026-02-30', '2026-13-01', '12', 'now-1h)'])(
    'refuses %j',
    (text) => expect(utc(text)).toBeNull(),
  );
});

describe('ranges', () => {
  it('resolves, or names the field that is wrong', () => {
    expect(resolveRange({ from: 'now-1h', to: 'now' }, NOW, 'utc')).toEqual({ start: NOW - 3_600_000, end: NOW });
    expect(resolveRange({ from: 'x', to: 'now' }, NOW, 'utc')).toMatchObject({ field: 'from' });
    expect(resolveRange({ from: 'now', to: 'now-1h' }, NOW, 'utc')).toMatchObject({ field: 'to' });
  });

  it('resolves every quick range', () => {
    for (const quick of QUICK_RANGES) expect(isProblem(resolveRange(quick, NOW, 'browser'))).toBe(false);
  });

  it('zooms out around the middle, shifts by half and stops at now', () => {
    expect(zoomOut({ start: 1000, end: 3000 })).toEqual({ start: 0, end: 4000 });
    expect(shift({ start: 1000, end: 3000 }, -1, 9000)).toEqual({ start: 0, end: 2000 });
    expect(shift({ start: 1000, end: 3000 }, 1, 3500)).toEqual({ start: 1500, end: 3500 });
    expect(shift({ start: 1000, end: 3000 }, 1, 2000)).toEqual({ start: 1000, end: 3000 });
  });

  it('writes whole milliseconds and reads them back', () => {
    expect(absolute({ start: 1767225600000.4, end: 1767225601000 })).toEqual({
      from: '1767225600000',
      to: '1767225601000',
    });
  });

  it('says what the button shows', () => {
    const show = (ms: number) => `t${ms}`;
    expect(describeRange({ from: 'now-15m', to: 'now' }, show)).toBe('Last 15 minutes');
    expect(describeRange({ from: 'now-37m', to: 'now' }, show)).toBe('Last 37 minutes');
    expect(describeRange({ from: 'now-1w', to: 'now' }, show)).toBe('Last 1 week');
    expect(describeRange({ from: '1767225600000', to: 'now' }, show)).toBe('t1767225600000 to now');
  });
});
