// The vertical range of a chart, and which samples stand alone.
import type { Column } from '../series/frame';

/**
 * Where the y axis begins and ends. Zero is in sight when asked for (rates, counts, stacks), when values come near it, and
 * for a flat line, whose height says nothing otherwise.
 */
export function valueRange(min: number | null, max: number | null, zero: boolean): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  let low = min;
  let high = max;
  const flat = high - low <= Math.abs(high) * 1e-9;
  const near = low > 0 && low <= high * 0.5;
  const nearBelow = high < 0 && high >= low * 0.5;
  if (zero || near || nearBelow || flat) {
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  if (low === high) return [0, 1];
  const pad = (high - low) * 0.06;
  return [low === 0 ? 0 : low - pad, high === 0 ? 0 : high + pad];
}

/** Samples with a gap on both sides: no line reaches them, so they are drawn as points. */
export function loneSamples(values: Column): number[] {
  const out: number[] = [];
  let previous = -1;
  let gapBefore = true;
  let gap = true;
  for (let i = 0; i <= values.length; i++) {
    const value = values[i];
    const end = i === values.length;
    if (!end && value === undefined) continue;
    if (!end && value === null) {
      gap = true;
      continue;
    }
    if (previous >= 0 && gapBefore && (gap || end)) out.push(previous);
    previous = i;
    gapBefore = gap;
    gap = false;
  }
  return out;
}

export type Reading = { key: string; name: string; colour: string; value: number };

/** The rows of a tooltip: highest value first, cut to `count` around the series nearest to the pointer. */
export function tooltipRows(readings: readonly Reading[], nearest: string | null, count: number) {
  const sorted = [...readings].sort((a, b) => b.value - a.value);
  const at = Math.max(
    0,
    sorted.findIndex((r) => r.key === nearest),
  );
  const first = Math.max(0, Math.min(at - Math.floor(count / 2), sorted.length - count));
  const rows = sorted.slice(first, first + count);
  return { rows, above: first, below: sorted.length - first - rows.length };
}
