// The lines: only those in sight are drawn, so that a hundred thousand scroll like ten.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useCallback, useEffect, useRef } from 'react';
import { useTime } from '../shell/time';
import { formatExact } from '../units/format';
import { LineRow } from './LineRow';
import type { LogLine } from './lines';
import type { FieldFilter } from './query';
import { LINE, type LogsState, MOST_LINES, moveColumn, toggleColumn } from './state';
import { type Lines, MORE } from './useLines';
import './lines.css';

/** As high as `--row`; what is wrapped or unfolded is measured. */
const ROW = 28;

export type ListProps = {
  lines: readonly LogLine[];
  state: LogsState;
  set: (values: Partial<LogsState>, push?: boolean) => void;
  filter: (what: FieldFilter, op: '=' | '!=') => void;
  marks: readonly string[];
  dimmed: boolean;
  /** null while following: there is no end then. */
  end: Lines | null;
  total: number | null;
  /** The label that names services. */
  label: string;
  around: (key: string) => void;
};

/** Time and level are as wide as they need; the line takes what is left. */
function template(columns: readonly string[]): string {
  const widths = columns.map((c, i) =>
    c === LINE || (i === columns.length - 1 && !columns.includes(LINE))
      ? 'minmax(var(--legend), 1fr)'
      : 'var(--column)',
  );
  return ['var(--stamp)', 'var(--level)', ...widths].join(' ');
}

export function LineList(props: ListProps) {
  const { lines, state, set } = props;
  const scroller = useRef<HTMLElement>(null);
  const { zone } = useTime();
  const wanted = useRef<number | null>(null);
  // The same function for the same lines: a new one has all of them placed again.
  const keyOf = useCallback((index: number) => lines[index]?.key ?? index, [lines]);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: keyOf,
    overscan: 16,
  });
  const items = rows.getVirtualItems();

  // A row that the keys went to has focus as soon as it is drawn.
  useEffect(() => {
    if (wanted.current === null) return;
    const button = scroller.current?.querySelector<HTMLElement>(`[data-row="${wanted.current}"]`);
    if (!button) return;
    button.focus({ preventScroll: true });
    wanted.current = null;
  });
  const onKey = (event: KeyboardEvent) => {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-row]');
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
    const at = Number(row?.dataset.row);
    if (!row || !by || event.shiftKey) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(lines.length - 1, at + by));
    wanted.current = next;
    rows.scrollToIndex(next, { align: 'auto' });
    scroller.current?.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus({ preventScroll: true });
  };
  const toggle = useCallback(
    (key: string) => {
      const open = state.open.includes(key) ? state.open.filter((k) => k !== key) : [...state.open, key];
      set({ open });
    },
    [state.open, set],
  );

  return (
    <section
      className="lines"
      data-wrap={state.wrap}
      ref={scroller}
      aria-label="Log lines"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable.
      tabIndex={0}
      onKeyDown={onKey}
    >
      <div
        className={props.dimmed ? 'lines-table dimmed' : 'lines-table'}
        role="table"
        aria-label="Log lines"
        aria-rowcount={lines.length + 1}
        style={{ ['--cells' as string]: template(state.columns) }}
      >
        <Head state={state} set={set} />
        <div role="rowgroup" className="lines-body" style={{ height: rows.getTotalSize() }}>
          {items.map((item) => {
            const line = lines[item.index];
            if (!line) return null;
            return (
              <div
                key={item.key}
                ref={rows.measureElement}
                data-index={item.index}
                className="line-place"
                style={{ transform: `translateY(${item.start}px)` }}
                role="presentation"
              >
                <LineRow
                  line={line}
                  index={item.index}
                  zone={zone}
                  columns={state.columns}
                  raw={state.raw}
                  open={state.open.includes(line.key)}
                  toggle={toggle}
                  marks={props.marks}
                  list={props}
                />
              </div>
            );
          })}
        </div>
      </div>
      {props.end && <End {...props} end={props.end} />}
      {!props.end && lines.length === 0 && <p className="lines-end quiet">Lines appear here as they come in.</p>}
    </section>
  );
}

function Head(props: Pick<ListProps, 'state' | 'set'>) {
  const { columns } = props.state;
  const chosen = columns.length > 1 || columns[0] !== LINE;
  return (
    <div role="rowgroup" className="lines-head">
      <div role="row" className="line-cells">
        <div role="columnheader">Time</div>
        <div role="columnheader">Level</div>
        {columns.map((name, i) => {
          const word = name === LINE ? 'Line' : name;
          return (
            <div role="columnheader" key={name} className="line-column">
              <span className="line-title" title={word}>
                {word}
              </span>
              {chosen && (
                <>
                  {i > 0 && (
                    <button
                      type="button"
                      aria-label={`Move ${word} left`}
                      onClick={() => props.set({ columns: moveColumn(columns, name, -1) })}
                    >
                      ‹
                    </button>
                  )}
                  {i < columns.length - 1 && (
                    <button
                      type="button"
                      aria-label={`Move ${word} right`}
                      onClick={() => props.set({ columns: moveColumn(columns, name, 1) })}
                    >
                      ›
                    </button>
                  )}
                  <button
                    type="button"
                    aria-label={`Remove ${word}`}
                    onClick={() => props.set({ columns: toggleColumn(columns, name) })}
                  >
                    ×
                  </button>
                </>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function End(props: ListProps & { end: Lines }) {
  const { end, lines, total, state } = props;
  const older = state.direction === 'backward' ? 'older' : 'newer';
  if (lines.length === 0) return null;
  if (end.done && !end.loading) {
    return <p className="lines-end quiet">{`These are all ${formatExact(lines.length)} lines of the range.`}</p>;
  }
  const room = MOST_LINES - lines.length;
  return (
    <div className="lines-end row">
      {room > 0 ? (
        <button type="button" className="button small" disabled={end.loading} onClick={end.more}>
          {end.loading ? 'Loading' : `Load ${formatExact(Math.min(MORE, room))} ${older} lines`}
        </button>
      ) : (
        <span>This page keeps {formatExact(MOST_LINES)} lines: narrow the search or the range, or export it.</span>
      )}
      {total !== null && total > lines.length && (
        <span className="quiet">{`${formatExact(total - lines.length)} more in the range`}</span>
      )}
    </div>
  );
}
