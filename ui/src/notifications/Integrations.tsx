// How each integration of a receiver does.
import { Link } from '@tanstack/react-router';
import type { Integration } from '../api/alerting';
import { CopyButton } from '../parts/Copy';
import { type Column, tableCsv } from '../parts/columns';
import { DataTable } from '../parts/DataTable';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import { formatExact } from '../units/format';
import { stateOf } from './model';

function columnsOf(now: number): Column<Integration>[] {
  return [
    {
      id: 'state',
      label: 'State',
      cell: (i) => <Severity {...stateOf(i)} />,
      csv: (i) => stateOf(i).word,
    },
    {
      id: 'integration',
      label: 'Integration',
      grow: true,
      cell: (i) => (
        <Link to="/history" search={{ kind: 'notifications', receiver: i.receiver, from: 'now-24h', to: 'now' }}>
          {i.integration}
        </Link>
      ),
      csv: (i) => i.integration,
    },
    { id: 'waiting', label: 'Waiting', number: true, cell: (i) => formatExact(i.waiting), csv: (i) => i.waiting },
    {
      id: 'failures',
      label: 'Failed in a row',
      number: true,
      wide: true,
      cell: (i) => formatExact(i.failures),
      csv: (i) => i.failures,
    },
    {
      id: 'next',
      label: 'Next try',
      number: true,
      wide: true,
      cell: (i) =>
        i.waiting === 0 ? (
          '–'
        ) : i.notBefore !== null && i.notBefore > now ? (
          <When at={i.notBefore} now={now} future />
        ) : (
          'now'
        ),
    },
    {
      id: 'told',
      label: 'Last told',
      number: true,
      cell: (i) => <When at={i.lastTold} now={now} />,
      csv: (i) => (i.lastTold === null ? '' : new Date(i.lastTold).toISOString()),
    },
    {
      id: 'resolved',
      label: 'Told of ends',
      wide: true,
      cell: (i) => (i.sendResolved ? 'Yes' : <span className="quiet">No</span>),
    },
  ];
}

export function Integrations(props: { integrations: readonly Integration[]; now: number }) {
  const columns = columnsOf(props.now);
  return (
    <section className="letters" aria-label="Integrations">
      <div className="row">
        <h2>Integrations</h2>
        <span className="spread" />
        <CopyButton text={() => tableCsv(props.integrations, columns)} label="Copy CSV" />
      </div>
      <DataTable
        label="Integrations and their state"
        columns={columns}
        rows={props.integrations}
        rowKey={(integration) => integration.integration}
      />
    </section>
  );
}
