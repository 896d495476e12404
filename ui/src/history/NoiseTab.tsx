// Noise: what fires most and helps least, by the name of the alert; what flaps, what nobody ever acts on, how long it takes.
import { Link } from '@tanstack/react-router';
import { fetchNoise, type Noise, type NoisyAlert } from '../api/alerting';
import { CopyButton } from '../parts/Copy';
import { type Column, readSort, sortRows, tableCsv, writeSort } from '../parts/columns';
import { DataTable } from '../parts/DataTable';
import { Facts } from '../parts/Facts';
import { Failed } from '../parts/Failed';
import { Severity } from '../parts/Severity';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import { When } from '../parts/When';
import { exactly, matchersText } from '../silences/matchers';
import { formatAgo, formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { noisy, type Only } from './model';
import { DAYS, type HistoryState } from './state';

type Props = {
  state: HistoryState;
  sort: string | undefined;
  set: (values: Record<string, string | undefined>) => void;
};

const ONLY: [Only, string][] = [
  ['', 'All'],
  ['flapping', 'Flapping'],
  ['unacted', 'Never acted on'],
];

const lasts = (ms: number | null) => (ms === null ? '–' : formatDuration(Math.round(ms / 1000)));
const by = (of: (alert: NoisyAlert) => number) => (a: NoisyAlert, b: NoisyAlert) => of(a) - of(b);
const counted = (id: string, label: string, of: (alert: NoisyAlert) => number, wide = true): Column<NoisyAlert> => ({
  id,
  label,
  number: true,
  wide,
  compare: by(of),
  cell: (alert) => formatExact(of(alert)),
  csv: of,
});

function columnsOf(noise: Noise, now: number): Column<NoisyAlert>[] {
  const range = { from: String(noise.from), to: String(noise.to) };
  return [
    {
      id: 'alert',
      label: 'Alert',
      grow: true,
      compare: (a, b) => (a.alertname < b.alertname ? -1 : 1),
      cell: ({ alertname }) => (
        <Link to="/history" search={{ ...range, match: matchersText(exactly({ alertname })) }} title={alertname}>
          {alertname || 'No name'}
        </Link>
      ),
      csv: (alert) => alert.alertname,
    },
    counted('firings', 'Fired', (a) => a.firings, false),
    counted('instances', 'Label sets', (a) => a.instances),
    counted('notifications', 'Told', (a) => a.notifications, false),
    {
      id: 'flapping',
      label: 'Flapping',
      number: true,
      wide: true,
      compare: by((a) => a.flapping),
      cell: (a) => (a.flapping > 0 ? <Severity level="warning" word={formatExact(a.flapping)} /> : '0'),
      csv: (a) => a.flapping,
    },
    {
      id: 'acted',
      label: 'Acted on',
      number: true,
      compare: by((a) => a.acknowledged + a.silenced),
      cell: (a) =>
        a.neverActedOn ? (
          <Severity level="warning" word="Never" />
        ) : (
          <span title={`${a.acknowledged} acknowledged, ${a.silenced} silenced`}>
            {formatExact(a.acknowledged + a.silenced)}
          </span>
        ),
      csv: (a) => a.acknowledged + a.silenced,
    },
    {
      id: 'half',
      label: 'Half end within',
      number: true,
      wide: true,
      compare: by((a) => a.resolveP50Ms ?? -1),
      cell: (a) => lasts(a.resolveP50Ms),
      csv: (a) => (a.resolveP50Ms ?? 0) / 1000,
    },
    {
      id: 'most',
      label: '95 % within',
      number: true,
      wide: true,
      compare: by((a) => a.resolveP95Ms ?? -1),
      cell: (a) => lasts(a.resolveP95Ms),
      csv: (a) => (a.resolveP95Ms ?? 0) / 1000,
    },
    {
      id: 'firing',
      label: 'Fired for',
      number: true,
      wide: true,
      compare: by((a) => a.firingMs),
      cell: (a) => lasts(a.firingMs),
      csv: (a) => a.firingMs / 1000,
    },
    {
      id: 'last',
      label: 'Last',
      number: true,
      wide: true,
      compare: by((a) => a.lastAt),
      cell: (a) => <When at={a.lastAt} now={now} />,
      csv: (a) => new Date(a.lastAt).toISOString(),
    },
  ];
}

export function NoiseTab(props: Props) {
  const { state, set } = props;
  const now = useNow();
  const live = useLive(['noise', state.days], (signal) => fetchNoise(state.days, signal), 5);
  const { data } = live;
  return (
    <>
      <div className="row">
        <div className="joined" role="group" aria-label="Days">
          {DAYS.map((days) => (
            <button
              key={days}
              type="button"
              className="button"
              aria-pressed={days === state.days}
              onClick={() => set({ days: days === 7 ? undefined : String(days) })}
            >
              {days === 1 ? '1 day' : `${days} days`}
            </button>
          ))}
        </div>
        <div className="joined" role="group" aria-label="Show">
          {ONLY.map(([only, word]) => (
            <button
              key={only}
              type="button"
              className="button"
              aria-pressed={only === state.only}
              onClick={() => set({ only: only || undefined })}
            >
              {word} {data ? noisy(data.alerts, only).length : ''}
            </button>
          ))}
        </div>
      </div>
      {!data && live.error && (
        <Failed what="The noise" error={live.error} retry={live.retry} path="/api/afferent/v1/alerting/noise" />
      )}
      {data && live.error && <Stale error={live.error} since={formatAgo(live.at, now)} retry={live.retry} />}
      <Progress active={live.loading} />
      {data && (
        <div className={live.old ? 'history-noise dimmed' : 'history-noise'}>
          <Report noise={data} only={state.only} sort={props.sort} set={set} now={now} />
        </div>
      )}
    </>
  );
}

function Report(props: { noise: Noise; only: Only; sort: string | undefined; set: Props['set']; now: number }) {
  const { noise } = props;
  const columns = columnsOf(noise, props.now);
  const sort = readSort(props.sort, { column: 'firings', descending: true });
  const rows = sortRows(noisy(noise.alerts, props.only), columns, sort);
  if (noise.alerts.length === 0) {
    return (
      <Empty title={`Nothing has fired in the last ${noise.days === 1 ? 'day' : `${noise.days} days`}`}>
        <p>What fires most, flaps, or is never acted on would be listed here, so that it can be fixed or removed.</p>
      </Empty>
    );
  }
  const unacted = noisy(noise.alerts, 'unacted').reduce((sum, alert) => sum + alert.notifications, 0);
  return (
    <>
      {noise.truncated && (
        <Note level="warning" word="Cut">
          There was too much to read: figures are of a part of these days. Choose fewer.
        </Note>
      )}
      <Facts
        facts={[
          { name: 'Fired', value: formatExact(noise.firings), more: `${noise.alerts.length} kinds of alerts` },
          {
            name: 'Notifications',
            value: formatExact(noise.notifications),
            more: `${formatValue(noise.notifications / noise.days, 'short')} a day`,
          },
          {
            name: 'Never acted on',
            value: noise.notifications > 0 ? formatValue(unacted / noise.notifications, 'ratio') : '–',
            more: `${formatExact(unacted)} notifications`,
          },
          { name: 'Flapping', value: formatExact(noisy(noise.alerts, 'flapping').length), more: 'three times an hour' },
        ]}
      />
      {rows.length === 0 ? (
        <p className="quiet">No alert of these days is such a one.</p>
      ) : (
        <>
          <div className="row">
            <h2>Alerts</h2>
            <span className="spread" />
            <CopyButton text={() => tableCsv(rows, columns)} label="Copy CSV" />
          </div>
          <DataTable
            label="Noisy alerts"
            columns={columns}
            rows={rows}
            rowKey={(alert) => alert.alertname}
            sort={sort}
            onSort={(next) => props.set({ sort: writeSort(next) })}
          />
        </>
      )}
      {noise.receivers.length > 0 && <Receivers receivers={noise.receivers} />}
    </>
  );
}

function Receivers(props: { receivers: Noise['receivers'] }) {
  const columns: Column<Noise['receivers'][number]>[] = [
    {
      id: 'receiver',
      label: 'Receiver',
      grow: true,
      cell: ({ receiver }) => (
        <Link to="/notifications" search={{ receiver }}>
          {receiver}
        </Link>
      ),
    },
    { id: 'told', label: 'Told', number: true, cell: (r) => formatExact(r.notifications) },
    {
      id: 'failed',
      label: 'Failed attempts',
      number: true,
      cell: (r) => (r.failed > 0 ? <Severity level="warning" word={formatExact(r.failed)} /> : '0'),
    },
    {
      id: 'dead',
      label: 'Refused',
      number: true,
      cell: (r) => (r.dead > 0 ? <Severity level="critical" word={formatExact(r.dead)} /> : '0'),
    },
  ];
  return (
    <>
      <h2>Receivers</h2>
      <DataTable label="Receivers" columns={columns} rows={props.receivers} rowKey={(r) => r.receiver} />
    </>
  );
}
