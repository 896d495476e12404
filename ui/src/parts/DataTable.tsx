// A table of facts: sorted by its heads, only the rows in sight are drawn, columns that can wait are left out on a phone.
import { useMemo, useRef } from 'react';
import type { Column, Sort } from './columns';
import { useRows } from './useRows';
import './table.css';

type Props<Row> = {
  label: string;
  columns: readonly Column<Row>[];
  /** Sorted already. */
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
};

/** As high as `--row`. */
const ROW = 28;

export function DataTable<Row>(props: Props<Row>) {
  const { columns, rows, sort } = props;
  const scroller = useRef<HTMLElement>(null);
  const view = useRows(rows.length, scroller, ROW);
  const classes = useMemo(
    () => columns.map((c) => [c.number && 'number', c.wide && 'wide', c.grow && 'grow'].filter(Boolean).join(' ')),
    [columns],
  );
  const sortBy = (column: Column<Row>) => {
    const again = sort?.column === column.id;
    props.onSort?.({ column: column.id, descending: again ? !sort.descending : column.number === true });
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable.
    <section className="data-scroll" ref={scroller} tabIndex={0} aria-label={props.label}>
      <table className="data-table">
        <thead>
          <tr>
            {columns.map((column, i) => (
              <th
                key={column.id}
                className={classes[i]}
                aria-sort={sort?.column === column.id ? (sort.descending ? 'descending' : 'ascending') : undefined}
              >
                {column.compare && props.onSort ? (
                  <button type="button" onClick={() => sortBy(column)}>
                    {column.label}
                  </button>
                ) : (
                  column.label
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {view.before > 0 && <tr style={{ height: view.before }} aria-hidden="true" />}
          {view.indexes.map((index) => {
            const row = rows[index];
            return row === undefined ? null : (
              <tr key={props.rowKey(row)}>
                {columns.map((column, i) => (
                  <td key={column.id} className={classes[i]}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {view.after > 0 && <tr style={{ height: view.after }} aria-hidden="true" />}
        </tbody>
      </table>
    </section>
  );
}
