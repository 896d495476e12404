// The legend is a table: last, mean, max; it sorts, filters, and shows one series alone by click or Enter.
import { type KeyboardEvent, type MouseEvent, useMemo, useRef, useState } from 'react';
import { useRows } from '../parts/useRows';
import { slotVariable } from '../series/colour';
import type { Series } from '../series/frame';
import { type LegendColumn, type LegendRow, type LegendSort, sortLegend, summarise } from '../series/stats';
import { isolate, isVisible, toggle, type Visibility } from '../series/visible';
import { rank } from '../shell/match';
import { formatExact, formatValue, type Unit } from '../units/format';

const COLUMNS: [LegendColumn, string][] = [
  ['name', 'Series'],
  ['last', 'Last'],
  ['mean', 'Mean'],
  ['max', 'Max'],
];
const ROW = 28;

type Props = {
  series: readonly Series[];
  slots: ReadonlyMap<string, number>;
  unit: Unit;
  /** Said before the count, where a page has several charts. */
  title: string;
  visible: Visibility;
  setVisible: (visible: Visibility) => void;
  setFocus: (key: string | null) => void;
};

export function Legend(props: Props) {
  const [sort, setSort] = useState<LegendSort>({ column: 'last', descending: true });
  const [filter, setFilter] = useState('');
  const scroller = useRef<HTMLDivElement>(null);
  const summaries = useMemo(
    () =>
      props.series.map(
        (series): LegendRow => ({
          series,
          colour: `var(${slotVariable(props.slots.get(series.key) ?? 0)})`,
          ...summarise(series.values),
        }),
      ),
    [props.series, props.slots],
  );
  const sorted = useMemo(() => sortLegend(summaries, sort), [summaries, sort]);
  const passing = new Set(rank(sorted, filter, (row) => row.series.name).map((row) => row.series.key));
  const rows = sorted.filter((row) => passing.has(row.series.key));
  const view = useRows(rows.length, scroller, ROW);

  const sortBy = (column: LegendColumn) =>
    setSort((old) => ({ column, descending: old.column === column ? !old.descending : column !== 'name' }));

  const onKey = (event: KeyboardEvent<HTMLButtonElement>, key: string) => {
    if (event.key === ' ') props.setVisible(toggle(props.visible, key));
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const row = event.currentTarget.closest('tr');
      const next = event.key === 'ArrowDown' ? row?.nextElementSibling : row?.previousElementSibling;
      next?.querySelector('button')?.focus();
    } else return;
    event.preventDefault();
  };
  const onClick = (event: MouseEvent, key: string) => {
    const one = event.ctrlKey || event.metaKey || event.shiftKey;
    props.setVisible(one ? toggle(props.visible, key) : isolate(props.visible, key));
  };

  return (
    <section className="legend" aria-label="Legend">
      <div className="legend-head">
        <span className="quiet">
          {props.title && <b className="legend-title">{props.title}</b>}
          {props.series.length} series{filter && `, ${rows.length} shown`}
        </span>
        {props.series.length > 8 && (
          <input
            className="input legend-filter"
            placeholder="Filter series"
            aria-label="Filter series"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
        )}
        {props.visible.keys.length > 0 && (
          <button type="button" className="button small" onClick={() => props.setVisible({ mode: 'hide', keys: [] })}>
            Show all
          </button>
        )}
      </div>
      <div className="legend-scroll" ref={scroller}>
        <table onPointerLeave={() => props.setFocus(null)}>
          <thead>
            <tr>
              {COLUMNS.map(([column, label]) => (
                <th
                  key={column}
                  className={column === 'name' ? undefined : 'number'}
                  aria-sort={sort.column === column ? (sort.descending ? 'descending' : 'ascending') : 'none'}
                >
                  <button type="button" onClick={() => sortBy(column)}>
                    {label}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {view.before > 0 && <tr style={{ height: view.before }} />}
            {view.indexes.map((index) => {
              const row = rows[index];
              if (!row) return null;
              const { key, name } = row.series;
              return (
                <tr key={key} onPointerEnter={() => props.setFocus(key)}>
                  <td>
                    <button
                      type="button"
                      className="legend-name"
                      aria-pressed={isVisible(props.visible, key)}
                      title={`${name}\nClick to show alone, Ctrl-click to show or hide`}
                      onClick={(event) => onClick(event, key)}
                      onKeyDown={(event) => onKey(event, key)}
                      onKeyUp={(event) => event.key === ' ' && event.preventDefault()}
                      onFocus={() => props.setFocus(key)}
                      onBlur={() => props.setFocus(null)}
                    >
                      <i className="swatch" style={{ background: row.colour }} />
                      <span>{name}</span>
                    </button>
                  </td>
                  {([row.last, row.mean, row.max] as const).map((value, i) => (
                    <td
                      // biome-ignore lint/suspicious/noArrayIndexKey: three fixed columns.
                      key={i}
                      className="number"
                      title={value === null ? 'No samples' : formatExact(value)}
                    >
                      {value === null ? '–' : formatValue(value, props.unit)}
                    </td>
                  ))}
                </tr>
              );
            })}
            {view.after > 0 && <tr style={{ height: view.after }} />}
          </tbody>
        </table>
      </div>
      {rows.length === 0 && <p className="quiet">No series is called “{filter}”</p>}
    </section>
  );
}
