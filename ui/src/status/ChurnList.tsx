// Metrics whose series come and go: each new one costs memory and index, however short it lives.
import { Link } from '@tanstack/react-router';
import type { Cardinality } from '../api/status';
import { CopyButton } from '../parts/Copy';
import { type Column, tableCsv } from '../parts/columns';
import { DataTable } from '../parts/DataTable';
import type { Search } from '../router-search';
import { formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { isWholeHour } from './model';

type Entry = Cardinality['churn']['metrics'][number];

export function ChurnList(props: { churn: Cardinality['churn']; to: (name: string) => Search }) {
  const { metrics, metricsOverMs } = props.churn;
  const unit = isWholeHour(metricsOverMs) ? '/h' : '';
  const rows = metrics.filter((entry) => entry.createdPerHour > 0 || entry.removedPerHour > 0);
  const columns: Column<Entry>[] = [
    {
      id: 'metric',
      label: 'Metric',
      grow: true,
      cell: ({ name }) => (
        <Link to="/status" search={props.to(name)} className="mono" title={name}>
          {name}
        </Link>
      ),
      csv: ({ name }) => name,
    },
    {
      id: 'created_per_hour',
      label: `New${unit}`,
      number: true,
      cell: (entry) => formatValue(entry.createdPerHour, 'short'),
      csv: (entry) => entry.createdPerHour,
    },
    {
      id: 'removed_per_hour',
      label: `Gone${unit}`,
      number: true,
      cell: (entry) => formatValue(entry.removedPerHour, 'short'),
      csv: (entry) => entry.removedPerHour,
    },
  ];
  return (
    <section className="status-part" aria-labelledby="cardinality-churn">
      <div className="row">
        <h2 id="cardinality-churn">Churn</h2>
        <span className="quiet">
          {formatExact(rows.length)} {rows.length === 1 ? 'metric' : 'metrics'}, over{' '}
          {formatDuration(Math.max(1, Math.round(metricsOverMs / 1000)))}
        </span>
        <span className="spread" />
        {rows.length > 0 && <CopyButton text={() => tableCsv(rows, columns)} label="Copy CSV" />}
      </div>
      {rows.length === 0 ? (
        <p className="quiet">No series came or went.</p>
      ) : (
        <DataTable label="List of churn" columns={columns} rows={rows} rowKey={(entry) => entry.name} />
      )}
    </section>
  );
}
