// One list of the cardinality explorer: names with their counts, the largest first, as the server chose them.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { NamedCount } from '../api/status';
import { CopyButton } from '../parts/Copy';
import { type Column, tableCsv } from '../parts/columns';
import { DataTable } from '../parts/DataTable';
import { Bar } from '../parts/Facts';
import type { Search } from '../router-search';
import { formatExact } from '../units/format';
import { percent } from './model';

type Props = {
  title: ReactNode;
  id: string;
  /** Heads of the two columns. */
  head: string;
  counted: string;
  /** How many there are in all; null where the list may be whole. */
  total: number | null;
  /** What a share is a share of; null where counts are no parts of a whole. */
  whole: number | null;
  list: readonly NamedCount[];
  /** Entries that a list has at most. */
  listed: number;
  find: string;
  more: ReactNode;
  text?: (name: string) => string;
  to: (name: string) => Search;
  explore?: (name: string) => Search;
  /** The name that is open. */
  current?: string | undefined;
  action?: ReactNode;
};

function columnsOf(props: Props): Column<NamedCount>[] {
  const { whole, explore } = props;
  const largest = Math.max(1, ...props.list.map((entry) => entry.value));
  const columns: Column<NamedCount>[] = [
    {
      id: props.head.toLowerCase().replaceAll(' ', '_'),
      label: props.head,
      grow: true,
      cell: ({ name }) => (
        <Link
          to="/status"
          search={props.to(name)}
          className="mono"
          title={name}
          aria-current={name === props.current ? 'true' : undefined}
        >
          {props.text?.(name) ?? name}
        </Link>
      ),
      csv: (entry) => entry.name,
    },
    {
      id: props.counted.toLowerCase(),
      label: props.counted,
      number: true,
      cell: (entry) => formatExact(entry.value),
      csv: (entry) => entry.value,
    },
    {
      id: 'share',
      label: whole === null ? '' : 'Share',
      wide: whole === null,
      cell: (entry) => (
        <span className="share-cell">
          <Bar share={entry.value / (whole ?? largest)} />
          {whole !== null && <span className="number">{percent(entry.value, whole)}</span>}
        </span>
      ),
    },
  ];
  if (explore) {
    columns.push({
      id: 'explore',
      label: '',
      wide: true,
      cell: ({ name }) => (
        <Link to="/explore" search={explore(name)} aria-label={`Explore ${name}`}>
          Explore
        </Link>
      ),
    });
  }
  return columns;
}

export function CountList(props: Props) {
  const columns = columnsOf(props);
  const rows = props.list;
  const cut = props.total !== null && props.total > props.list.length;
  const searched = props.find !== '';
  const sum = formatExact(props.total ?? 0);
  const id = `cardinality-${props.id}`;
  return (
    <section className="status-part" aria-labelledby={id}>
      <div className="row">
        <h2 id={id}>{props.title}</h2>
        <span className="quiet">
          {cut && !searched ? `largest ${formatExact(rows.length)} of ${sum}` : formatExact(rows.length)}
          {searched && ' found'}
        </span>
        {cut && rows.length >= props.listed && props.more}
        <span className="spread" />
        <CopyButton text={() => tableCsv(rows, columns)} label="Copy CSV" />
        {props.action}
      </div>
      {rows.length === 0 ? (
        <p className="quiet">Nothing here holds “{props.find}”</p>
      ) : (
        <DataTable label={`List of ${props.id}`} columns={columns} rows={rows} rowKey={(entry) => entry.name} />
      )}
    </section>
  );
}
