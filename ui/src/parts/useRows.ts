// Only the rows in sight, for tables of fixed row height: two spacers stand for the rest, so that tables stay tables.
import { type RefObject, useLayoutEffect, useState } from 'react';

export type RowWindow = { indexes: number[]; before: number; after: number };
/** Below this a table is drawn whole, which also lets the browser's own search find everything. */
const WHOLE = 120;
const OVERSCAN = 12;

/** First row in sight and how many fit, moved only by whole rows so that scrolling within one draws nothing new. */
function useSight(scroller: RefObject<HTMLElement | null>, rowHeight: number, off: boolean): [number, number] {
  const [sight, setSight] = useState<[number, number]>([0, 0]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || off) return;
    const look = () => {
      const first = Math.floor(element.scrollTop / rowHeight);
      const fits = Math.ceil(element.clientHeight / rowHeight);
      setSight((old) => (old[0] === first && old[1] === fits ? old : [first, fits]));
    };
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, [scroller, rowHeight, off]);
  return sight;
}

export function useRows(count: number, scroller: RefObject<HTMLElement | null>, rowHeight: number): RowWindow {
  const whole = count <= WHOLE;
  const [first, fits] = useSight(scroller, rowHeight, whole);
  const from = whole ? 0 : Math.max(0, Math.min(first, count - fits) - OVERSCAN);
  const to = whole ? count : Math.min(count, first + fits + OVERSCAN);
  const indexes = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  return { indexes, before: from * rowHeight, after: Math.max(0, count - to) * rowHeight };
}
