// Notifications: what nobody was told although they should have been, what is on its way, and how each receiver does.
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { fetchOutbox, type Outbox } from '../api/alerting';
import { Facts } from '../parts/Facts';
import { Failed } from '../parts/Failed';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { formatAgo, zoneName } from '../time/format';
import { formatExact } from '../units/format';
import { Attempts } from './Attempts';
import { DeadLetters } from './DeadLetters';
import { Integrations } from './Integrations';
import { filterOutbox, receiversOf } from './model';
import { WaitingList } from './WaitingList';
import './notifications.css';

export function NotificationsPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const { zone } = useTime();
  const now = useNow();
  const live = useLive(['outbox'], fetchOutbox, 2);
  const [said, setSaid] = useState('');
  const set = (values: Record<string, string | undefined>) => {
    void navigate({ to: '/notifications', search: (old: Search) => ({ ...old, ...values }), replace: true } as never);
  };
  const { data } = live;
  if (!data) {
    return live.error ? (
      <Failed what="Notifications" error={live.error} retry={live.retry} path="/api/afferent/v1/alerting/outbox" />
    ) : (
      <Progress active />
    );
  }
  const filter = { text: search.q ?? '', receiver: search.receiver ?? '' };
  const shown = filterOutbox(data, filter);
  const filtered = filter.text !== '' || filter.receiver !== '';
  const nothing = shown.waiting.length + shown.deadLetters.length + shown.integrations.length === 0;
  return (
    <div className="notifications">
      {live.error && <Stale error={live.error} since={formatAgo(live.at, now)} retry={live.retry} />}
      <div className="row">
        <input
          className="input notifications-filter"
          placeholder="Filter by alert, receiver or error"
          aria-label="Filter notifications"
          value={filter.text}
          onChange={(event) => set({ q: event.target.value || undefined })}
        />
        <select
          className="select"
          aria-label="Receiver"
          value={filter.receiver}
          onChange={(event) => set({ receiver: event.target.value || undefined })}
        >
          <option value="">All receivers</option>
          {[...new Set([...receiversOf(data), filter.receiver])].filter(Boolean).map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <span className="spread" />
        <span className="quiet">Times in {zoneName(zone, now)}</span>
      </div>
      <Totals outbox={shown} />
      <p className="quiet notifications-said" role="status">
        {said}
      </p>
      {filtered && nothing && (
        <Empty title="No notification fits the filter">
          <p>
            <button type="button" className="button" onClick={() => set({ q: undefined, receiver: undefined })}>
              Clear the filter
            </button>
          </p>
        </Empty>
      )}
      {data.integrations.length === 0 && (
        <Note
          level="info"
          word="Nobody"
          action={
            <Link className="button small" to="/routing">
              Routing
            </Link>
          }
        >
          No receiver has a way to be told: alerts are shown here alone. Add one to alertmanager-config.yaml.
        </Note>
      )}
      <DeadLetters
        letters={shown.deadLetters}
        now={now}
        done={(text) => {
          setSaid(text);
          live.retry();
        }}
      />
      {!(filtered && shown.waiting.length === 0) && <WaitingList waiting={shown.waiting} now={now} />}
      {shown.integrations.length > 0 && <Integrations integrations={shown.integrations} now={now} />}
      {!(filtered && nothing) && <Attempts receiver={filter.receiver} now={now} />}
    </div>
  );
}

function Totals(props: { outbox: Outbox }) {
  const { waiting, deadLetters, integrations } = props.outbox;
  const retried = waiting.filter((item) => item.attempts > 0).length;
  const failing = integrations.filter((integration) => integration.failures > 1).length;
  return (
    <Facts
      facts={[
        { name: 'Dead letters', value: formatExact(deadLetters.length), more: 'refused for good' },
        { name: 'Waiting', value: formatExact(waiting.length), more: `${formatExact(retried)} after a failure` },
        {
          name: 'Failing',
          value: formatExact(failing),
          more: `of ${formatExact(integrations.length)} ${integrations.length === 1 ? 'integration' : 'integrations'}`,
        },
      ]}
    />
  );
}
