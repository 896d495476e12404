// How each integration of a receiver does.
import { Link } from '@tanstack/react-router';
import type { Integration } from '../api/alerting';
import type { Column } from '../parts/columns';
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
    },
    { id: 'waiting', label: 'Waiting', number: true, cell: (i) => formatExact(i.waiting) },
    { id: 'failures', label: 'Failed in a row', number: true, wide: true, cell: (i) => formatExact(i.failures) },
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
    { id: 'told', label: 'Last told', number: true, cell: (i) => <When at={i.lastTold} now={now} /> },
    {
      id: 'resolved',
      label: 'Told of ends',
      wide: true,
      cell: (i) => (i.sendResolved ? 'Yes' : <span className="quiet">No</span>),
    },
  ];
}

export function Integrations(props: { integrations: readonly Integration[]; now: number }) {
  return (
    <section className="letters" aria-label="Integrations">
      <h2>Integrations</h2>
      <DataTable
        label="Integrations and their state"
        columns={columnsOf(props.now)}
        rows={props.integrations}
        rowKey={(integration) => integration.integration}
      />
    </section>
  );
}
