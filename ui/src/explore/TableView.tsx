// The table tab: one table per query, one row per sample, labels as columns.
import { Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import type { Labels } from '../api/prometheus';
import { CopyButton, downloadCsv } from '../parts/Copy';
import { useRows } from '../parts/useRows';
import { csvRows } from '../series/csv';
import { formatLabels } from '../series/labels';
import {
  filterRows,
  histogramText,
  LABEL_COLUMNS,
  type Row,
  SERIES,
  sortRows,
  type TableSort,
  TIME,
  tableOf,
  VALUE,
} from '../series/table';
import { useTime } from '../shell/time';
import { formatTime } from '../time/format';
import { formatExact } from '../units/format';
import { Histogram } from './Histogram';
import type { Search } from './state';
import type { Answer, Result } from './useResults';

const ROW = 28;
const HISTOGRAM_ROW = 72;

export default function TableView(props: { results: Result[]; shell: Search }) {
  return props.results.map((result) =>
    result.answer ? (
      <ResultTable
        key={result.query.id}
        id={result.query.id}
        answer={result.answer}
        shell={props.shell}
        expr={result.query.expr}
        many={props.results.length > 1}
      />
    ) : null,
  );
}

function csvOf(columns: string[], rows: readonly Row[]): string {
  const head = ['time', ...columns, 'value'];
  return csvRows([
    head,
    ...rows.map((row) => [
      new Date(row.time * 1000).toISOString(),
      ...columns.map((name) => row.labels[name] ?? ''),
      row.cell.kind === 'value' ? row.cell.text : histogramText(row.cell.histogram),
    ]),
  ]);
}

type TableProps = { id: string; answer: Answer; shell: Search; expr: string; many: boolean };

function ResultTable(props: TableProps) {
  const { zone } = useTime();
  const [sort, setSort] = useState<TableSort | null>(null);
  const [filter, setFilter] = useState('');
  const scroller = useRef<HTMLDivElement>(null);
  const table = useMemo(() => tableOf(props.answer.data), [props.answer.data]);
  const rows = useMemo(() => {
    const passing = filterRows(table.rows, filter);
    return sort ? sortRows(passing, sort) : passing;
  }, [table, filter, sort]);
  const histograms = table.rows.some((row) => row.cell.kind === 'histogram');
  const height = histograms ? HISTOGRAM_ROW : ROW;
  const view = useRows(rows.length, scroller, height);
  const withTime = props.answer.data.resultType !== 'vector';
  const labels = table.columns.length > LABEL_COLUMNS ? [SERIES] : table.columns;
  const columns = [...(withTime ? [TIME] : []), ...labels, VALUE];
  const sortBy = (column: string) =>
    setSort((old) =>
      old?.column === column
        ? old.descending === (column === VALUE)
          ? { column, descending: !old.descending }
          : null
        : { column, descending: column === VALUE },
    );

  return (
    <section className="result" aria-label={`Table of query ${props.id}`}>
      <div className="row result-head">
        {props.many && (
          <>
            <span className="query-id">{props.id}</span>
            <code className="result-expr">{props.expr}</code>
          </>
        )}
        <span className="quiet">
          {rows.length === table.rows.length ? '' : `${formatExact(rows.length)} of `}
          {formatExact(table.rows.length)} {table.rows.length === 1 ? 'row' : 'rows'}
          {!withTime && ` at ${formatTime((table.rows[0]?.time ?? 0) * 1000, zone)}`}
        </span>
        <input
          className="input result-filter"
          placeholder="Filter rows"
          aria-label={`Filter rows of ${props.id}`}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <CopyButton text={() => csvOf(table.columns, rows)} label="Copy CSV" />
        <button
          type="button"
          className="button small"
          onClick={() => downloadCsv(`query-${props.id}.csv`, csvOf(table.columns, rows))}
        >
          CSV
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable. */}
      <div className="result-scroll" ref={scroller} tabIndex={0} role="region" aria-label={`Rows of ${props.id}`}>
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th
                  key={column}
                  className={column === VALUE ? 'number' : undefined}
                  aria-sort={sort?.column === column ? (sort.descending ? 'descending' : 'ascending') : 'none'}
                >
                  <button type="button" onClick={() => sortBy(column)}>
                    {HEADS[column] ?? column}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {view.before > 0 && <tr style={{ height: view.before }} />}
            {view.indexes.map((index) => {
              const row = rows[index];
              return row ? (
                <tr key={index} style={{ height }}>
                  {withTime && <td>{formatTime(row.time * 1000, zone, true)}</td>}
                  {labels.map((name) => (
                    <td key={name}>
                      <LabelCell name={name} labels={row.labels} shell={props.shell} />
                    </td>
                  ))}
                  <td className="number">
                    {row.cell.kind === 'histogram' ? (
                      <Histogram histogram={row.cell.histogram} />
                    ) : (
                      <span title={row.cell.text}>{table.single ? row.cell.text : formatExact(row.cell.value)}</span>
                    )}
                  </td>
                </tr>
              ) : null;
            })}
            {view.after > 0 && <tr style={{ height: view.after }} />}
          </tbody>
        </table>
      </div>
      {rows.length === 0 && <p className="quiet">No row holds “{filter}”</p>}
    </section>
  );
}

const HEADS: Record<string, string> = { __name__: 'Metric', [SERIES]: 'Series', [VALUE]: 'Value', [TIME]: 'Time' };

/** The metric's name, or the whole series, leads to its graph. */
function LabelCell(props: { name: string; labels: Labels; shell: Search }) {
  const { name, labels } = props;
  const text = name === SERIES ? formatLabels(labels) : (labels[name] ?? '');
  if ((name !== SERIES && name !== '__name__') || !labels.__name__) return text;
  return (
    <Link to="/explore" search={{ ...props.shell, A: formatLabels(labels) }} title="Graph of this series">
      {text}
    </Link>
  );
}
