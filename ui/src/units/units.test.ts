import { describe, expect, it } from 'vitest';
import { formatExact, formatTicks, formatValue, tickSteps, UNITS, type Unit } from './format';
import { inferUnit, metricNames, startsAtZero } from './infer';

describe('values', () => {
  it.each([
    [0, 'short', '0'],
    [0.069_512, 'short', '0.0695'],
    [1234, 'short', '1.23 k'],
    [999.96, 'short', '1 k'],
    [-2_500_000, 'short', '-2.5 M'],
    [24_300_000_000, 'bytes', '22.6 GiB'],
    [512, 'bytes', '512 B'],
    [1536, 'bytesPerSecond', '1.5 KiB/s'],
    [2_000_000, 'bitsPerSecond', '2 Mbit/s'],
    [0.0123, 'seconds', '12.3 ms'],
    [3700, 'seconds', '1h 1m'],
    [0.4567, 'ratio', '45.7%'],
    [45.67, 'percent', '45.7%'],
    [12.34, 'perSecond', '12.3/s'],
    [21.55, 'celsius', '21.6 °C'],
    [3e9, 'hertz', '3 GHz'],
    [Number.NaN, 'bytes', 'NaN'],
    [Number.POSITIVE_INFINITY, 'short', '+Inf'],
    [Number.NEGATIVE_INFINITY, 'seconds', '-Inf'],
    [1.5e-9, 'short', '1.5e-9'],
  ] as const)('%f as %s', (value, unit, text) => expect(formatValue(value, unit)).toBe(text));

  it('shows at most three significant digits whatever the size', () => {
    for (const unit of Object.keys(UNITS) as Unit[]) {
      if (unit === 'none' || unit === 'seconds') continue;
      for (let value = 1e-5; value < 1e13; value *= 3.3) {
        const digits = formatValue(value, unit)
          .replace(/e[+-]\d+/, '')
          .replace(/[^\d.]/g, '')
          .replace(/^0*\.?0*/, '')
          .replace('.', '');
        expect(digits.replace(/0+$/, '').length, `${value} ${unit}`).toBeLessThanOrEqual(3);
      }
    }
  });

  it('prints exactly where exactness was asked for', () => {
    expect(formatExact(1_234_567)).toBe('1,234,567');
    expect(formatExact(9999)).toBe('9999');
    expect(formatExact(0.1 + 0.2)).toBe('0.30000000000000004');
  });
});

describe('ticks', () => {
  it('share a scale and stay apart', () => {
    expect(formatTicks([0, 0.5, 1, 1.5, 2], 'short')).toEqual(['0', '0.5', '1.0', '1.5', '2.0']);
    expect(formatTicks([0, 500, 1000, 1500], 'short')).toEqual(['0', '0.5 k', '1.0 k', '1.5 k']);
    expect(formatTicks([0, 2 ** 20, 2 ** 21], 'bytes')).toEqual(['0', '1 MiB', '2 MiB']);
    expect(formatTicks([0, 0.005, 0.01], 'seconds')).toEqual(['0', '5 ms', '10 ms']);
    expect(formatTicks([0, 0.25, 0.5], 'ratio')).toEqual(['0', '25%', '50%']);
    expect(formatTicks([1e-9, 2e-9], 'short')).toEqual(['1e-9', '2e-9']);
  });

  it('come at distances that are round in the scale they are printed in', () => {
    expect(tickSteps('bytes', 5 * 2 ** 30)).toContain(2 ** 30);
    expect(tickSteps('seconds', 7200)).toContain(7200);
    const steps = tickSteps('short', 3);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });
});

describe('units from names', () => {
  it.each([
    ['node_memory_MemAvailable_bytes', 'bytes'],
    ['rate(node_network_receive_bytes_total{device!="lo"}[1m])', 'bytesPerSecond'],
    ['sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))', 'short'],
    ['histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', 'seconds'],
    ['scrape_duration_seconds', 'seconds'],
    ['node_boot_time_seconds', 'short'],
    ['rate(http_requests_total[5m])', 'perSecond'],
    ['count(node_memory_MemFree_bytes)', 'short'],
    ['node_memory_MemFree_bytes / node_memory_MemTotal_bytes', 'ratio'],
    ['100 * node_memory_MemFree_bytes / node_memory_MemTotal_bytes', 'percent'],
    ['node_load1', 'short'],
    ['node_hwmon_temp_celsius', 'celsius'],
    ['rate(a_seconds_sum[1m]) / rate(a_seconds_count[1m])', 'short'],
    ['topk(5, node_filesystem_avail_bytes)', 'bytes'],
  ] as const)('%s', (expr, unit) => expect(inferUnit(expr)).toBe(unit));

  it('finds metric names and nothing else', () => {
    expect(metricNames('sum by (job) (rate(a_total{b="c_bytes"}[5m] offset 1h)) / on(job) group_left(x) d:e')).toEqual([
      'a_total',
      'd:e',
    ]);
  });

  it('reads rates and counts against zero', () => {
    expect(startsAtZero('rate(a[1m])')).toBe(true);
    expect(startsAtZero('count(up)')).toBe(true);
    expect(startsAtZero('node_memory_MemFree_bytes')).toBe(false);
  });
});
