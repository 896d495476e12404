import { describe, expect, it } from 'vitest';
import { alignRange, autoStep, chooseStep, expandVariables, parseDuration } from './step';

describe('steps', () => {
  it('reads durations as Prometheus does', () => {
    expect(parseDuration('15s')).toBe(15);
    expect(parseDuration('1h30m')).toBe(5400);
    expect(parseDuration('500ms')).toBe(0.5);
    expect(parseDuration('20')).toBe(20);
    for (const bad of ['', '0', '1.5h', 'x', '5 m', '-5m']) expect(parseDuration(bad)).toBeNull();
  });

  it('gives round steps of about two pixels, never below the scrape interval for longer ranges', () => {
    expect(autoStep(60, 1200)).toBe(1);
    expect(autoStep(900, 1200)).toBe(5);
    expect(autoStep(3600, 1200)).toBe(10);
    expect(autoStep(6 * 3600, 1200)).toBe(60);
    expect(autoStep(7 * 86_400, 1200)).toBe(1800);
    for (let range = 1; range < 4e8; range *= 1.7) expect(range / autoStep(range, 2000)).toBeLessThanOrEqual(1001);
  });

  it('takes the step asked for unless Prometheus would refuse it', () => {
    expect(chooseStep('30s', 3600, 1200)).toBe(30);
    expect(chooseStep('1s', 86_400, 1200)).toBe(autoStep(86_400, 1200));
    expect(chooseStep('nonsense', 3600, 1200)).toBe(10);
  });

  it('aligns both ends', () => expect(alignRange(1003, 1998, 10)).toEqual({ start: 1000, end: 1990 }));

  it('fills Grafana variables and leaves other dollars alone', () => {
    expect(expandVariables('rate(x[$__rate_interval])', 10, 3600)).toBe('rate(x[60s])');
    expect(expandVariables('rate(x[$' + '{__rate_interval}])', 60, 3600)).toBe('rate(x[75s])');
    expect(expandVariables('avg_over_time(x[$__interval]) + $__range_s', 30, 3600)).toBe(
      'avg_over_time(x[30s]) + 3600',
    );
    expect(expandVariables('x{a=~"^b$"} $job', 10, 60)).toBe('x{a=~"^b$"} $job');
  });
});
