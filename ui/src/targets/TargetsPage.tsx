// Targets: who is asked for metrics, who answers, and why the others do not.
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo } from 'react';
import { fetchScrapePools, fetchTargets } from '../api/targets';
import { Command } from '../parts/Copy';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { formatAgo } from '../time/format';
import { Controls } from './Controls';
import { Dropped } from './Dropped';
import { countHealth, type Filter, filterDropped, groupPools, type Health, isLate, type TargetSort } from './model';
import { Shipper } from './Shipper';
import { TargetTable } from './TargetTable';
import './targets.css';

const HEALTHS: Health[] = ['down', 'unknown', 'up'];
const COLUMNS = ['state', 'endpoint', 'scrape', 'duration'] as const;

function readFilter(search: Search): Filter {
  const wanted = (search.health ?? '').split(',');
  return { text: search.q ?? '', health: HEALTHS.filter((h) => wanted.includes(h)), pool: search.pool ?? '' };
}

function readSort(search: Search): TargetSort {
  const [name, direction] = (search.sort ?? '').split('.');
  return { column: COLUMNS.find((c) => c === name) ?? 'state', descending: direction === 'desc' };
}

export function TargetsPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const { tick, refreshNow } = useTime();
  const targets = useQuery({ queryKey: ['targets'], queryFn: ({ signal }) => fetchTargets(signal) });
  const pools = useQuery({ queryKey: ['scrape-pools'], queryFn: ({ signal }) => fetchScrapePools(signal) });
  const { refetch: refetchTargets } = targets;
  const { refetch: refetchPools } = pools;
  useEffect(() => {
    if (tick === 0) return;
    void refetchTargets();
    void refetchPools();
  }, [tick, refetchTargets, refetchPools]);
  const now = useNow();

  const filter = useMemo(() => readFilter(search), [search]);
  const sort = useMemo(() => readSort(search), [search]);

  const set = (values: Record<string, string | undefined>, replace = true) => {
    void navigate({ to: '/targets', search: (old: Search) => ({ ...old, ...values }), replace } as never);
  };
  const answer = targets.data;
  const groups = useMemo(
    () => (answer ? groupPools(answer, pools.data ?? [], filter, sort) : []),
    [answer, pools.data, filter, sort],
  );

  if (!answer) {
    return targets.error ? <Unreachable message={targets.error.message} retry={refreshNow} /> : <Progress active />;
  }
  const late = answer.activeTargets.filter((t) => isLate(t, targets.dataUpdatedAt)).length;
  const nothing = answer.activeTargets.length === 0 && answer.droppedTargets.length === 0;
  return (
    <div className="targets">
      <Controls
        counts={countHealth(answer)}
        filter={filter}
        groups={groups}
        poolNames={[...new Set([...(pools.data ?? []), ...answer.activeTargets.map((t) => t.scrapePool)])].sort()}
        set={set}
      />
      {targets.error && (
        <Stale error={targets.error} since={formatAgo(targets.dataUpdatedAt, now)} retry={refreshNow} />
      )}
      {pools.error && (
        <Note level="warning" word="Partial">
          The list of scrape pools could not be read ({pools.error.message}); pools without targets are missing below.
        </Note>
      )}
      {Object.entries(answer.scrapePoolErrors ?? {}).map(([pool, errors]) => (
        <Note key={pool} level="critical" word="Job">
          {pool}: {errors.join('; ')}
        </Note>
      ))}
      {late > 0 && !targets.error && (
        <Note level="warning" word="Late">
          {late === 1 ? 'One target was' : `${late} targets were`} not scraped for two intervals. The server may be
          overloaded.
        </Note>
      )}
      {nothing ? (
        <NoTargets />
      ) : (
        <TargetTable groups={groups} now={now} open={search.open ?? ''} search={search} sort={sort} set={set} />
      )}
      {!nothing && groups.length === 0 && (
        <Empty title="No target fits the filter">
          <p>
            <button
              type="button"
              className="button"
              onClick={() => set({ q: undefined, health: undefined, pool: undefined })}
            >
              Clear the filter
            </button>
          </p>
        </Empty>
      )}
      <Dropped
        targets={filterDropped(answer.droppedTargets, filter)}
        total={Object.values(answer.droppedTargetCounts ?? {}).reduce((a, b) => a + b, 0)}
      />
      <Shipper />
    </div>
  );
}

function Unreachable(props: { message: string; retry: () => void }) {
  return (
    <div className="targets">
      <Note
        level="critical"
        word="Error"
        action={
          <button type="button" className="button small" onClick={props.retry}>
            Retry
          </button>
        }
      >
        The list of targets could not be read: {props.message}.
      </Note>
      <p>See whether the server runs, and what it says:</p>
      <Command text="afferent status" />
      <Command text={`curl -s ${window.location.origin}/-/healthy`} />
    </div>
  );
}

function NoTargets() {
  return (
    <Empty title="No targets yet">
      <p>Every scraped endpoint would be listed here with its state. Add a job to the configuration:</p>
      <Command text={"scrape_configs: [{job_name: my-service, static_configs: [{targets: ['127.0.0.1:8080']}]}]"} />
      <p>Check it, then load it without a restart:</p>
      <Command text="afferent check config observability/prometheus-config.yaml" />
      <Command text={`curl -X POST ${window.location.origin}/-/reload`} />
    </Empty>
  );
}
