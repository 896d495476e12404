// Status > Queries: what the server is asked at this moment, what it costs so far, and a way to end it.
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError } from '../api/http';
import { type ActiveQuery, fetchQueries, killQuery, type QueriesAnswer } from '../api/queries';
import { CopyButton } from '../parts/Copy';
import { Facts } from '../parts/Facts';
import { Failed } from '../parts/Failed';
import { Severity } from '../parts/Severity';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { Sure } from '../parts/Sure';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { formatAgo, formatDuration, formatTime, zoneName } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import type { TabProps } from './StatusPage';

const PATH = '/api/afferent/v1/queries';

export function QueriesTab(_props: TabProps) {
  const live = useLive(['queries'], fetchQueries);
  const now = useNow();
  const [said, setSaid] = useState<string>('');
  const { data } = live;
  if (!data) {
    return live.error ? (
      <Failed what="The list of queries" error={live.error} retry={live.retry} path={PATH} />
    ) : (
      <Progress active />
    );
  }
  return (
    <>
      {live.error && <Stale error={live.error} since={formatAgo(live.at, now)} retry={live.retry} />}
      <Load answer={data} />
      <p className="quiet status-said" role="status">
        {said}
      </p>
      {data.queries.length === 0 ? (
        <Idle />
      ) : (
        <ul className="active-queries" aria-label="Active queries">
          {data.queries.map((query) => (
            <Row
              key={query.id}
              query={query}
              age={query.elapsedSeconds + Math.max(0, (now - live.at) / 1000)}
              ended={(text) => {
                setSaid(text);
                live.retry();
              }}
            />
          ))}
        </ul>
      )}
    </>
  );
}

function Load(props: { answer: QueriesAnswer }) {
  const { answer } = props;
  const full = answer.running >= answer.maxRunning;
  const bytes = answer.queries.reduce((sum, query) => sum + query.memoryBytes, 0);
  return (
    <>
      {full && (
        <Note level="warning" word="Full">
          All {formatExact(answer.maxRunning)} places are taken and {formatExact(answer.queued)} queries wait. End one
          below, or allow more with <code>--query.max-concurrency</code>.
        </Note>
      )}
      <Facts
        facts={[
          { name: 'Running', value: formatExact(answer.running), more: `of ${formatExact(answer.maxRunning)} places` },
          { name: 'Queued', value: formatExact(answer.queued), more: `of ${formatExact(answer.maxQueued)} places` },
          { name: 'Memory', value: formatValue(bytes, 'bytes'), more: 'of the queries below' },
        ]}
      />
    </>
  );
}

function Idle() {
  return (
    <Empty title="No query is running">
      <p>Queries show here from the moment they are asked, with what they have read so far and a button to end them.</p>
      <p className="quiet">
        Queries that took longer than <code>--query.slow-threshold</code> (10 s) are in the server’s log.
      </p>
    </Empty>
  );
}

/** The query as Explore asks it: its text, and its range where it has one. */
function exploreSearch(query: ActiveQuery): Search {
  const { start, end } = query;
  if (start === undefined || end === undefined) return { A: query.query, tab: 'table' };
  return { A: query.query, from: String(start), to: String(end) };
}

function Row(props: { query: ActiveQuery; age: number; ended: (text: string) => void }) {
  const { query, age } = props;
  const { zone } = useTime();
  const at = (ms: number) => formatTime(ms, zone);
  const whole = query.start !== undefined && query.end !== undefined;
  const end = async () => props.ended(await kill(query.id));
  return (
    <li className="active-query" data-state={query.state}>
      <div className="active-query-text">
        <Link to="/explore" search={exploreSearch(query)} title="Open in Explore">
          <code>{query.query}</code>
        </Link>
      </div>
      <dl className="active-query-facts">
        <div>
          <dt>Age</dt>
          <dd title={`Since ${at(query.started)} ${zoneName(zone, query.started)}`}>
            {formatDuration(Math.max(0, Number(age.toFixed(1))))}
          </dd>
        </div>
        <div>
          <dt>Kind</dt>
          <dd>
            {query.kind}
            {whole &&
              `, ${formatDuration(((query.end ?? 0) - (query.start ?? 0)) / 1000)} in steps of ${formatDuration(query.stepSeconds ?? 0)}`}
            {query.time !== undefined && ` at ${at(query.time)}`}
          </dd>
        </div>
        <div>
          <dt>Series</dt>
          <dd title={formatExact(query.series)}>{formatValue(query.series, 'short')}</dd>
        </div>
        <div>
          <dt>Samples</dt>
          <dd title={formatExact(query.samples)}>{formatValue(query.samples, 'short')}</dd>
        </div>
        <div>
          <dt>Memory</dt>
          <dd title={`At most ${formatValue(query.peakMemoryBytes, 'bytes')}`}>
            {formatValue(query.memoryBytes, 'bytes')}
          </dd>
        </div>
        <div>
          <dt>Tenant</dt>
          <dd>{query.tenant}</dd>
        </div>
        {query.client && (
          <div>
            <dt>Asked by</dt>
            <dd title={query.userAgent}>
              {query.forwardedFor ?? query.client}
              {query.userAgent && <span className="quiet"> {query.userAgent.split(/[ /]/)[0]}</span>}
            </dd>
          </div>
        )}
      </dl>
      <div className="active-query-acts">
        {query.state === 'queued' && <Severity level="info" word="Queued" />}
        {query.state === 'ending' && <Severity level="unknown" word="Ending" />}
        <CopyButton text={() => query.query} label="Copy query" />
        {query.state !== 'ending' && (
          <Sure label="Kill" says="Its client gets an error." act="Kill this query" doing="Killing" run={end} />
        )}
      </div>
    </li>
  );
}

/** A query that has finished meanwhile has ended, too. */
async function kill(id: ActiveQuery['id']): Promise<string> {
  try {
    await killQuery(id);
    return `Query ${id} was ended.`;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return `Query ${id} had finished already.`;
    throw error;
  }
}
