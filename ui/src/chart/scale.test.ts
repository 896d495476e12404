import { describe, expect, it } from 'vitest';
import { loneSamples, tooltipRows, valueRange } from './scale';

describe('valueRange', () => {
  it('shows zero for rates, for values near it, and for a flat line', () => {
    expect(valueRange(90, 100, true)[0]).toBe(0);
    expect(valueRange(40, 100, false)[0]).toBe(0);
    expect(valueRange(5, 5, false)[0]).toBe(0);
    expect(valueRange(-100, -40, false)[1]).toBe(0);
  });
  it('uses the height for a gauge far from zero', () => {
    const [low, high] = valueRange(90, 100, false);
    expect(low).toBeGreaterThan(80);
    expect(high).toBeGreaterThan(100);
  });
  it('survives nothing, zero, and infinities', () => {
    expect(valueRange(null, null, true)).toEqual([0, 1]);
    expect(valueRange(0, 0, false)).toEqual([0, 1]);
    expect(valueRange(Number.NEGATIVE_INFINITY, 3, false)).toEqual([0, 1]);
  });
});

describe('loneSamples', () => {
  it('finds samples that no line reaches', () => {
    expect(loneSamples([1, null, 2, 3, null, null, 4])).toEqual([0, 6]);
    expect(loneSamples([null, 5, null])).toEqual([1]);
    expect(loneSamples([1, undefined, 2])).toEqual([]);
    expect(loneSamples([1])).toEqual([0]);
  });
});

describe('tooltipRows', () => {
  const readings = Array.from({ length: 30 }, (_, i) => ({ key: `k${i}`, name: '', colour: '', value: i }));
  it('sorts from high to low', () => {
    expect(tooltipRows(readings.slice(0, 3), null, 12).rows.map((r) => r.value)).toEqual([2, 1, 0]);
  });
  it('cuts around the nearest series and says how many are left out', () => {
    const cut = tooltipRows(readings, 'k15', 10);
    expect(cut.rows).toHaveLength(10);
    expect(cut.rows.some((r) => r.key === 'k15')).toBe(true);
    expect(cut.above + cut.below).toBe(20);
    expect(tooltipRows(readings, 'k0', 10).below).toBe(0);
  });
});
