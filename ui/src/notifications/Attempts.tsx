// The latest attempts, whatever came of them.
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { fetchHistory } from '../api/alerting';
import { EventRow } from '../history/EventRow';
import { keysOf } from '../history/model';
import { Note, Progress } from '../parts/States';
import { useLive } from '../parts/useLive';

const KINDS = ['sent', 'failed', 'dead'];
const SHOWN = 20;

export function Attempts(props: { receiver: string; now: number }) {
  const { receiver, now } = props;
  const [open, setOpen] = useState('');
  const live = useLive(['attempts', receiver], (signal) =>
    fetchHistory({ kind: KINDS, limit: SHOWN, ...(receiver ? { receiver } : {}) }, signal),
  );
  const events = useMemo(() => live.data?.events ?? [], [live.data]);
  const keys = useMemo(() => keysOf(events), [events]);
  return (
    <section className="letters" aria-label="Attempts">
      <div className="row">
        <h2>Latest attempts</h2>
        {live.data && events.length === 0 && <span className="quiet">Nothing was sent to anybody yet.</span>}
        <span className="spread" />
        <Link
          className="button small"
          to="/history"
          search={{ kind: 'notifications', from: 'now-24h', to: 'now', ...(receiver ? { receiver } : {}) }}
        >
          All of the last day
        </Link>
      </div>
      <Progress active={live.loading && !live.data} />
      {live.error && (
        <Note level="warning" word="Partial">
          The latest attempts could not be read: {live.error.message}.
        </Note>
      )}
      <ul className="attempts">
        {events.map((event, i) => {
          const key = keys[i] ?? '';
          return (
            <li key={key}>
              <EventRow event={event} now={now} open={key === open} toggle={() => setOpen(key === open ? '' : key)} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
