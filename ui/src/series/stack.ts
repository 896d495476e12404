// Stacked values: each visible series on top of those before it. Gaps and non-numbers add nothing and stay gaps.
import type { Column } from './frame';

export function stackColumns(columns: readonly Column[], visible: readonly boolean[]): Column[] {
  const length = columns[0]?.length ?? 0;
  const below = new Array<number>(length).fill(0);
  return columns.map((values, i) => {
    if (!visible[i]) return values;
    return values.map((value, t) => {
      if (value === undefined || value === null || !Number.isFinite(value))
        return value === undefined ? undefined : null;
      below[t] = (below[t] ?? 0) + value;
      return below[t];
    });
  });
}

/** What a chart can draw: infinities and NaN have no height. */
export function drawable(values: Column): Column {
  return values.map((v) => (v === undefined ? undefined : v !== null && Number.isFinite(v) ? v : null));
}
