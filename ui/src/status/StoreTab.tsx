// Status > Store: what is wrong, how much comes in, what it takes in memory and on disk, what waits, what was refused.
import { lazy, Suspense } from 'react';
import { fetchStore, type StoreStatus } from '../api/status';
import { Command } from '../parts/Copy';
import { Bar, Facts } from '../parts/Facts';
import { Failed } from '../parts/Failed';
import { Severity } from '../parts/Severity';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import { formatAgo, formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { Blocks } from './Blocks';
import { Losses } from './Losses';
import { isNear, isWholeHour, MANY_MERGES, memoryParts, rejectedRows, shareOf } from './model';
import type { TabProps } from './StatusPage';

const IngestionChart = lazy(() => import('./IngestionChart'));

const PATH = '/api/afferent/v1/status/store';
const count = (n: number, one: string, many = `${one}s`) => `${formatExact(n)} ${n === 1 ? one : many}`;

export function StoreTab(props: TabProps) {
  const store = useLive(['status-store'], fetchStore);
  const now = useNow();
  const { data } = store;
  if (!data) {
    return store.error ? (
      <Failed what="The store’s figures" error={store.error} retry={store.retry} path={PATH} />
    ) : (
      <Progress active />
    );
  }
  const empty = data.ingestion.samples === 0 && data.blocks.count === 0;
  return (
    <>
      {store.error && <Stale error={store.error} since={formatAgo(store.at, now)} retry={store.retry} />}
      <Wrong store={data} />
      {empty && <NoSamples />}
      <Figures store={data} />
      <Ingestion ingestion={data.ingestion} at={store.at} />
      <div className="status-pair">
        <Memory memory={data.memory} />
        <Waiting store={data} />
      </div>
      <RejectedSamples rejected={data.ingestion.rejected} />
      <Losses damage={data.damage} />
      <Blocks blocks={data.blocks} now={now} {...props} />
    </>
  );
}

/** What a person should do something about; nothing where all is well. */
function Wrong(props: { store: StoreStatus }) {
  const { blocks, damage, memory, pendingJobs } = props.store;
  return (
    <>
      {damage.lossCount > 0 && (
        <Note level="critical" word="Lost">
          {count(damage.lossCount, 'span')} of time lost samples to damage; queries over{' '}
          {damage.lossCount === 1 ? 'it' : 'them'} warn. What and when is listed under Damage.
        </Note>
      )}
      {damage.damagedPushGroups > 0 && (
        <Note level="warning" word="Damaged">
          {count(damage.damagedPushGroups, 'pushed group')} could not be read at the start. The next push restores{' '}
          {damage.damagedPushGroups === 1 ? 'it' : 'each'}; remove <code>pushgateway/*.damaged</code> to end this note.
        </Note>
      )}
      {blocks.damagedReads > 0 && (
        <Note level="critical" word="Damaged">
          {count(blocks.damagedReads, 'row')} of blocks could not be read since the start and{' '}
          {blocks.damagedReads === 1 ? 'is' : 'are'} missing in answers. The server’s log names the files: restore them
          from a snapshot, or delete them.
        </Note>
      )}
      {memoryParts(memory)
        .filter(isNear)
        .map((part) => (
          <Note key={part.name} level="warning" word="Nearly full">
            {part.name}: {formatValue(part.used, 'bytes')} of {formatValue(part.limit ?? 0, 'bytes')}. {part.refusal}{' '}
            Raise <code>--memory</code>, or see under Cardinality what can go.
          </Note>
        ))}
      {pendingJobs.length >= MANY_MERGES && (
        <Note level="warning" word="Behind">
          {count(pendingJobs.length, 'merge')} of blocks wait. Queries over the past read more files until they are
          done.
        </Note>
      )}
    </>
  );
}

function Figures(props: { store: StoreStatus }) {
  const { blocks, head, ingestion, memory, wal } = props.store;
  const used = memory.head + memory.queries + memory.blockCache;
  const hour = formatDuration(Math.max(1, Math.round(ingestion.seriesOverMs / 1000)));
  const rejected = rejectedRows(ingestion.rejected);
  const refused = rejected.reduce((sum, row) => sum + row.samples, 0);
  return (
    <Facts
      facts={[
        {
          name: 'Samples in',
          value: formatValue(ingestion.samplesPerSecond, 'perSecond'),
          title: `${formatExact(ingestion.samples)} since the start`,
          more: `${formatValue(ingestion.samplesPerSecondOverHour, 'perSecond')} over ${hour === '1h' ? 'the last hour' : `the last ${hour}`}`,
        },
        {
          name: 'Active series',
          value: formatValue(head.activeSeries, 'short'),
          title: formatExact(head.activeSeries),
          more: (
            <>
              {formatValue(ingestion.seriesCreatedPerHour, 'short')} new,{' '}
              {formatValue(ingestion.seriesRemovedPerHour, 'short')} gone{' '}
              {isWholeHour(ingestion.seriesOverMs) ? 'per hour' : `since the start ${hour} ago`}
            </>
          ),
        },
        {
          name: 'Blocks',
          value: formatValue(blocks.bytes, 'bytes'),
          title: `${formatExact(blocks.bytes)} bytes`,
          more: `${formatValue(blocks.samples, 'short')} samples${blocks.samples > 0 ? `, ${formatValue(blocks.bytes / blocks.samples, 'short')} B each` : ''}`,
        },
        {
          name: 'Write-ahead log',
          value: formatValue(wal.bytes, 'bytes'),
          title: `${formatExact(wal.bytes)} bytes`,
          more: `${formatValue(wal.writtenBytes, 'bytes')} written since the start`,
        },
        {
          name: 'Memory',
          value: formatValue(used, 'bytes'),
          more: memory.budget === null ? 'no budget set' : `of a budget of ${formatValue(memory.budget, 'bytes')}`,
        },
        {
          name: 'Rejected samples',
          value: formatValue(refused, 'short'),
          title: formatExact(refused),
          more: rejected[0] ? `most: ${rejected[0].word.toLowerCase()}` : 'since the start',
        },
      ]}
    />
  );
}

function Ingestion(props: { ingestion: StoreStatus['ingestion']; at: number }) {
  const { rates } = props.ingestion;
  return (
    <section className="status-part" aria-labelledby="status-ingestion">
      <h2 id="status-ingestion">Samples in, last hour</h2>
      {rates.length < 2 ? (
        <p className="quiet">The graph begins two minutes after the start of the server.</p>
      ) : (
        <Suspense fallback={<div className="ingestion-chart" />}>
          <IngestionChart rates={rates} at={props.at} />
        </Suspense>
      )}
    </section>
  );
}

function Memory(props: { memory: StoreStatus['memory'] }) {
  const { memory } = props;
  const asked = memory.blockCacheHits + memory.blockCacheMisses;
  return (
    <section className="status-part" aria-labelledby="status-memory">
      <h2 id="status-memory">Memory</h2>
      <table className="data-table plain">
        <thead>
          <tr>
            <th>Part</th>
            <th className="number">Used</th>
            <th className="number">Limit</th>
            <th className="grow">Share</th>
          </tr>
        </thead>
        <tbody>
          {memoryParts(memory).map((part) => (
            <tr key={part.name}>
              <td title={part.what}>{part.name}</td>
              <td className="number">{formatValue(part.used, 'bytes')}</td>
              <td className="number">{part.limit === null ? 'none' : formatValue(part.limit, 'bytes')}</td>
              <td className="grow">
                <span className="share-cell">
                  <Bar share={shareOf(part.used, part.limit)} />
                  {isNear(part) && <Severity level="warning" word="Nearly full" />}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="quiet">
        {asked === 0
          ? 'No page of a block was asked for since the start.'
          : `The cache had ${Math.round((100 * memory.blockCacheHits) / asked)}% of the pages that were asked for.`}
      </p>
    </section>
  );
}

function Waiting(props: { store: StoreStatus }) {
  const { pendingFlush: flush, pendingJobs: jobs, pendingRetention, retention } = props.store;
  const bytes = jobs.reduce((sum, job) => sum + job.bytes, 0);
  return (
    <section className="status-part" aria-labelledby="status-waiting">
      <h2 id="status-waiting">Pending work</h2>
      <dl className="works">
        <div>
          <dt>Flush</dt>
          <dd>
            {flushText(props.store)}
            <span className="quiet">
              {' '}
              Log: {formatValue(flush.walBytes, 'bytes')} of {formatValue(flush.walLimitBytes, 'bytes')}, then at once
            </span>
          </dd>
        </div>
        <div>
          <dt>Compaction</dt>
          <dd>
            {jobs.length === 0 ? 'Nothing waits' : `${count(jobs.length, 'merge')} of ${formatValue(bytes, 'bytes')}`}
            {jobs.length > 0 && (
              <ul className="quiet">
                {jobs.slice(0, 5).map((job, i) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a merge has no other identity than its place in the plan.
                  <li key={i}>
                    {count(job.blocks, 'block')} to level {job.toLevel}, {formatValue(job.bytes, 'bytes')}
                    {job.tenant !== 'default' && `, tenant ${job.tenant}`}
                  </li>
                ))}
                {jobs.length > 5 && <li>and {jobs.length - 5} more</li>}
              </ul>
            )}
          </dd>
        </div>
        <div>
          <dt>Retention</dt>
          <dd>
            {retentionText(pendingRetention)}
            <span className="quiet">
              {' '}
              Kept: {formatDuration(retention.keepMs / 1000)}
              {retention.maxBytes !== null && `, at most ${formatValue(retention.maxBytes, 'bytes')}`}
              {retention.rules > 0 && `, ${count(retention.rules, 'rule')}`}
            </span>
          </dd>
        </div>
      </dl>
    </section>
  );
}

function flushText(store: StoreStatus): string {
  const { head, pendingFlush: flush } = store;
  if (flush.isRunning) return 'Runs now';
  if (head.flushIsPending)
    return `${count(head.flushedSamples, 'sample')} are in blocks and leave memory when their last reader is done`;
  const left = Math.max(0, Math.round((flush.everyMs - (flush.sinceLastMs ?? 0)) / 1000));
  return left === 0 ? 'Due now' : `Due in ${formatDuration(left)}`;
}

function retentionText(pending: StoreStatus['pendingRetention']): string {
  const { blocks, bytes, deletions } = pending;
  const parts = [
    ...(blocks > 0 ? [`${count(blocks, 'block')} of ${formatValue(bytes, 'bytes')} to drop`] : []),
    ...(deletions > 0 ? [`${count(deletions, 'deletion')} to free the space of`] : []),
  ];
  return parts.length === 0 ? 'Nothing waits.' : `${parts.join(', ')}.`;
}

function RejectedSamples(props: { rejected: Record<string, number> }) {
  const rows = rejectedRows(props.rejected);
  return (
    <section className="status-part" aria-labelledby="status-rejected">
      <h2 id="status-rejected">Rejected samples</h2>
      {rows.length === 0 ? (
        <p className="quiet">None since the start.</p>
      ) : (
        <table className="data-table plain reasons">
          <thead>
            <tr>
              <th>Reason</th>
              <th className="number">Since the start</th>
              <th className="grow">What to do</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.reason}>
                <td>{row.word}</td>
                <td className="number" title={formatExact(row.samples)}>
                  {formatValue(row.samples, 'short')}
                </td>
                <td className="grow">{row.todo}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function NoSamples() {
  return (
    <Empty title="No samples yet">
      <p>Scrape something, or send samples here. In a Prometheus’ or vmagent’s configuration:</p>
      <Command text={`remote_write: [{url: '${window.location.origin}/api/v1/write'}]`} />
    </Empty>
  );
}
