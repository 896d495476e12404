// Logs: search, see how many there are and when, read them, follow them.
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { ApiError } from '../api/http';
import { logLabels } from '../api/loki';
import { Note, Progress, Stale } from '../parts/States';
import { useWidth } from '../parts/useWidth';
import { useTime } from '../shell/time';
import { formatAgo } from '../time/format';
import { FieldBar } from './FieldBar';
import { searchOf, toKql, toLogql } from './kql';
import { LineList } from './LineList';
import { ListTools } from './ListTools';
import { LogsError } from './LogsError';
import { Absent, NoLogs, NothingFound, Welcome } from './notes';
import { Pills } from './Pills';
import { addFilter, type FieldFilter, parseQuery, wordsToMark } from './query';
import { SearchBar } from './SearchBar';
import { remember } from './saved';
import { type LogsState, readLogs, type Search, writeLogs } from './state';
import { type Asked, useLines } from './useLines';
import { useTail } from './useTail';
import { useTotal } from './useTotal';
import '../parts/table.css';
import './logs.css';

/** Lines come first; the chart is drawn in the room kept for it. */
const LevelHistogram = lazy(() => import('./LevelHistogram'));
const Patterns = lazy(() => import('./Patterns'));
const MetricView = lazy(() => import('./MetricView'));
const Context = lazy(() => import('./Context'));

/** The label that names a service, if there is one: what most people look for first. */
const SERVICE_LABELS = ['service_name', 'service', 'app', 'job', 'container'];

const ns = (ms: number) => BigInt(Math.round(ms)) * 1_000_000n;

export function LogsPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const time = useTime();
  const state = useMemo(() => readLogs(search), [search]);
  const set = useCallback(
    (values: Partial<LogsState>, push = false) => {
      const next = (old: Search) => writeLogs({ ...readLogs(old), ...values }, old);
      void navigate({ to: '/logs', search: next, replace: !push } as never);
    },
    [navigate],
  );

  const span = useMemo(
    () => ({ start: ns(time.range.start), end: ns(time.range.end) + 1n }),
    [time.range.start, time.range.end],
  );
  const labels = useQuery({
    queryKey: ['log-labels', String(span.start), String(span.end)],
    queryFn: ({ signal }) => logLabels(span, '', signal),
    placeholderData: (old) => old,
  });
  const label = SERVICE_LABELS.find((name) => labels.data?.includes(name)) ?? labels.data?.[0];
  const kql = state.lang === 'kql';
  // Whoever comes without a question sees everything.
  useEffect(() => {
    if (state.query === undefined && label && !kql) set({ query: `{${label}=~".+"}` });
  }, [state.query, label, kql, set]);

  // The page asks in LogQL; a search is one stage of it.
  const text = state.query?.trim() ?? '';
  const query = kql ? toLogql(text) : text;
  useEffect(() => {
    remember(localStorage, query, Date.now());
  }, [query]);
  /** As `set`, for those who change the query that was asked: a search stays one where it can. */
  const setAsked = useCallback(
    (values: Partial<LogsState>, push = false) => {
      if (!kql || values.query === undefined) return set(values, push);
      const search = toKql(values.query);
      set(search === null ? { ...values, lang: 'logql' } : { ...values, query: search }, push);
    },
    [kql, set],
  );
  const filter = useCallback(
    (what: FieldFilter, op: '=' | '!=') => setAsked({ query: addFilter(query, what, op) }, true),
    [query, setAsked],
  );
  const run = (asked: string) => (asked === text ? time.refreshNow() : set({ query: asked, open: [] }, true));
  const runKept = (asked: string) => {
    const search = searchOf(asked);
    set(search === null ? { query: asked, lang: 'logql', open: [] } : { query: search, lang: 'kql', open: [] }, true);
  };

  const problem = labels.error as ApiError | null;
  if (problem?.kind === 'absent') return <Absent />;
  const blank = query === '';
  return (
    <div className="logs">
      <SearchBar state={state} query={query} span={span} set={set} run={run} runKept={runKept} />
      {!blank && !kql && <Pills query={query} setQuery={(text) => set({ query: text }, true)} />}
      {problem && labels.data === undefined && (
        <Note level="critical" word="Error">
          The server could not be asked for logs: {problem.message}.
        </Note>
      )}
      {blank && labels.data && (labels.data.length === 0 ? <NoLogs /> : <Welcome labels={labels.data} set={set} />)}
      {!blank && (
        <Found state={state} query={query} span={span} label={label ?? 'service_name'} set={setAsked} filter={filter} />
      )}
    </div>
  );
}

type FoundProps = {
  state: LogsState;
  query: string;
  span: { start: bigint; end: bigint };
  label: string;
  set: (values: Partial<LogsState>, push?: boolean) => void;
  filter: (what: FieldFilter, op: '=' | '!=') => void;
};

function Found(props: FoundProps) {
  const { query } = props;
  const metric = useMemo(() => parseQuery(query)?.metric ?? !query.includes('{'), [query]);
  if (!metric) return <Listed {...props} />;
  return (
    <Suspense fallback={null}>
      <MetricView query={query} visible={props.state.visible} setVisible={(visible) => props.set({ visible })} />
    </Suspense>
  );
}

function Listed(props: FoundProps) {
  const { state, query, span, set } = props;
  const time = useTime();
  const [paused, setPaused] = useState(false);
  const [side, setSide] = useState(false);
  const panel = useRef<HTMLDivElement>(null);
  const width = useWidth(panel);
  const asked = useMemo(
    (): Asked | null => (state.live ? null : { query, ...span, direction: state.direction }),
    [query, span, state.direction, state.live],
  );
  const lines = useLines(asked, state.limit, time.tick);
  const tail = useTail(state.live ? query : null, paused);
  const shown = state.live ? tail.lines : lines.lines;
  const same = lines.asked?.query === query;
  const total = useTotal(query, span, time.tick, !state.live && same && lines.lines.length > 0, lines);
  const marks = useMemo(() => wordsToMark(query), [query]);
  const failed = lines.error !== null && !state.live;
  const kept = failed && lines.error?.kind === 'network' && same && lines.lines.length > 0;
  const nothing = !state.live && !lines.loading && !failed && lines.asked !== null && lines.lines.length === 0;
  const line = state.around ? shown.find((l) => l.key === state.around) : undefined;
  const setAround = useCallback((key: string) => set({ around: key }, key !== ''), [set]);

  return (
    <div className="logs-body" data-side={side}>
      <FieldBar
        query={query}
        span={span}
        state={state}
        set={set}
        filter={props.filter}
        total={total}
        lines={shown}
        close={() => setSide(false)}
      />
      <div className="logs-main" ref={panel}>
        <Progress active={lines.loading} />
        {failed && !kept && lines.error && <LogsError query={query} error={lines.error} set={set} state={state} />}
        {kept && lines.error && (
          <Stale error={lines.error} since={formatAgo(lines.at, Date.now())} retry={time.refreshNow} />
        )}
        {!(failed && !kept) && (
          <>
            {!state.live && (
              <Suspense fallback={<div className="logs-bars" />}>
                {width > 0 && (
                  <LevelHistogram
                    query={query}
                    span={span}
                    width={width}
                    setQuery={(text) => set({ query: text }, true)}
                    tick={time.tick}
                  />
                )}
              </Suspense>
            )}
            <ListTools
              state={state}
              set={set}
              shown={shown.length}
              total={total}
              lines={lines}
              tail={tail}
              paused={paused}
              setPaused={setPaused}
              side={side}
              setSide={setSide}
            />
            {state.tab === 'patterns' ? (
              <Suspense fallback={null}>
                <Patterns query={query} span={span} set={set} tick={time.tick} />
              </Suspense>
            ) : nothing ? (
              <NothingFound query={query} setQuery={(text) => set({ query: text }, true)} />
            ) : (
              <LineList
                lines={shown}
                state={state}
                set={set}
                filter={props.filter}
                marks={marks}
                dimmed={lines.loading && !same}
                end={state.live ? null : lines}
                total={total}
                label={props.label}
                around={setAround}
              />
            )}
          </>
        )}
      </div>
      {line && (
        <Suspense fallback={null}>
          <Context line={line} query={query} raw={state.raw} marks={marks} close={() => setAround('')} />
        </Suspense>
      )}
    </div>
  );
}
