// Last, minimum, mean and maximum of a column, and the order of a legend.
import type { Column, Series } from './frame';

export type Summary = { last: number | null; min: number | null; mean: number | null; max: number | null };

const known = new WeakMap<Column, Summary>();

/** NaN counts as the last value but not in the others; gaps count nowhere. A column is read once: nothing changes it later. */
export function summarise(values: Column): Summary {
  const before = known.get(values);
  if (before) return before;
  const summary = readColumn(values);
  known.set(values, summary);
  return summary;
}

function readColumn(values: Column): Summary {
  let last: number | null = null;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    last = value;
    if (Number.isNaN(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
    count++;
  }
  return count === 0 ? { last, min: null, mean: null, max: null } : { last, min, mean: sum / count, max };
}

export type LegendRow = Summary & { series: Series; colour: string };
export type LegendColumn = 'name' | 'last' | 'mean' | 'max';
export type LegendSort = { column: LegendColumn; descending: boolean };

const collator = new Intl.Collator('en', { numeric: true });

/** Sorted copy; rows without a value come last in either direction. */
export function sortLegend<T extends LegendRow>(rows: readonly T[], sort: LegendSort): T[] {
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (sort.column === 'name') return sign * collator.compare(a.series.name, b.series.name);
    const left = a[sort.column];
    const right = b[sort.column];
    const leftMissing = left === null || Number.isNaN(left);
    const rightMissing = right === null || Number.isNaN(right);
    if (leftMissing || rightMissing) return Number(leftMissing) - Number(rightMissing);
    return sign * (left - right) || collator.compare(a.series.name, b.series.name);
  });
}
