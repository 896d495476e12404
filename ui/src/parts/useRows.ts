// Only the rows in sight, for tables of fixed row height: two spacers stand for the rest, so that tables stay tables.
import { useVirtualizer } from '@tanstack/react-virtual';
import type { RefObject } from 'react';

export type RowWindow = { indexes: number[]; before: number; after: number };
/** Below this a table is drawn whole, which also lets the browser's own search find everything. */
const WHOLE = 120;

export function useRows(count: number, scroller: RefObject<HTMLElement | null>, rowHeight: number): RowWindow {
  const whole = count <= WHOLE;
  const virtual = useVirtualizer({
    count: whole ? 0 : count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  if (whole) return { indexes: Array.from({ length: count }, (_, i) => i), before: 0, after: 0 };
  const items = virtual.getVirtualItems();
  const first = items[0]?.start ?? 0;
  const last = items.at(-1)?.end ?? 0;
  return { indexes: items.map((item) => item.index), before: first, after: virtual.getTotalSize() - last };
}
