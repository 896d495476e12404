// A list in which only the rows in sight are drawn, each as high as it is; up and down keys go from row to row.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef } from 'react';
import './list.css';

type Props = {
  label: string;
  count: number;
  /** Stable for a row, so that what was measured stays with it. */
  keyOf: (index: number) => string;
  /** Pixels of a row that was not measured yet. */
  estimate: number;
  row: (index: number) => ReactNode;
  /** Behind the last row. */
  end?: ReactNode;
  className?: string;
};

/** What takes the focus within a row. */
const FIRST = 'a, button';

export function LongList(props: Props) {
  const { count, keyOf } = props;
  const scroller = useRef<HTMLElement>(null);
  const wanted = useRef<number | null>(null);
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: useCallback(() => props.estimate, [props.estimate]),
    getItemKey: keyOf,
    overscan: 12,
  });
  const focusRow = (index: number) => {
    const target = scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] :is(${FIRST})`);
    target?.focus({ preventScroll: true });
    return target !== undefined && target !== null;
  };
  // A row that the keys went to has the focus as soon as it is drawn.
  useEffect(() => {
    if (wanted.current !== null && focusRow(wanted.current)) wanted.current = null;
  });
  const onKey = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    const at = target.closest<HTMLElement>('[data-index]')?.dataset.index;
    if (!by || at === undefined || event.shiftKey || target.matches('input, select, textarea')) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(count - 1, Number(at) + by));
    rows.scrollToIndex(next, { align: 'auto' });
    wanted.current = focusRow(next) ? null : next;
  };
  return (
    <section
      className={`long-list ${props.className ?? ''}`}
      ref={scroller}
      aria-label={props.label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable.
      tabIndex={0}
      onKeyDown={onKey}
    >
      <ul style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((item) => (
          <li
            key={item.key}
            ref={rows.measureElement}
            data-index={item.index}
            aria-setsize={count}
            aria-posinset={item.index + 1}
            style={{ transform: `translateY(${item.start}px)` }}
          >
            {props.row(item.index)}
          </li>
        ))}
      </ul>
      {props.end}
    </section>
  );
}
