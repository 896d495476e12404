// Explore: ask, look, share.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useRef } from 'react';
import { Progress, Stale } from '../parts/States';
import { useWidth } from '../parts/useWidth';
import { useTime } from '../shell/time';
import { formatAgo } from '../time/format';
import { type Drawn, GraphView } from './GraphView';
import { Annotations, NothingFound, Welcome } from './notes';
import { QueryError } from './QueryError';
import { QueryRow } from './QueryRow';
import { type ExploreState, insertQuery, newQuery, type Query, readState, type Search, writeState } from './state';
import { Toolbar } from './Toolbar';
import { type Result, useResults } from './useResults';
import './explore.css';

const TableView = lazy(() => import('./TableView'));

export function ExplorePage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const time = useTime();
  const panel = useRef<HTMLDivElement>(null);
  const width = useWidth(panel);
  const drawn = useRef(new Map<string, Drawn>());
  const state = readState(search);
  const results = useResults(state, width || window.innerWidth);

  const change = useCallback(
    (next: ExploreState) => {
      void navigate({ to: '/explore', search: (old: Search) => writeState(next, old) } as never);
    },
    [navigate],
  );
  const setQueries = (queries: Query[]) => change({ ...state, queries });
  const replace = (query: Query) => setQueries(state.queries.map((q) => (q.id === query.id ? query : q)));
  const run = (query: Query) => {
    const known = state.queries.find((q) => q.id === query.id);
    if (known?.expr === query.expr && !known.off) time.refreshNow();
    else replace({ ...query, off: false });
  };
  const remove = (id: string) => setQueries(state.queries.filter((q) => q.id !== id));
  const blank = state.queries.every((q) => q.expr === '');

  return (
    <div className="explore">
      <div className="queries">
        {state.queries.map((query, i) => (
          <QueryRow
            key={query.id}
            query={query}
            result={results.find((r) => r.query.id === query.id)}
            only={state.queries.length === 1}
            change={replace}
            run={run}
            duplicate={() => setQueries(insertQuery(state.queries, i, query))}
            remove={() => remove(query.id)}
          />
        ))}
      </div>
      <Toolbar
        state={state}
        change={change}
        add={() => setQueries(insertQuery(state.queries, state.queries.length - 1, newQuery('A')))}
        drawn={drawn}
      />
      <div className="picture" ref={panel}>
        {blank ? (
          <Welcome
            run={(starter) =>
              replace({ ...newQuery(state.queries[0]?.id ?? 'A', starter.expr), legend: starter.legend })
            }
          />
        ) : (
          <Results
            state={state}
            results={results}
            width={width}
            change={change}
            drawn={drawn}
            shell={writeState({ ...readState({}), queries: [] }, search)}
          />
        )}
      </div>
    </div>
  );
}

type ResultsProps = {
  state: ExploreState;
  results: Result[];
  width: number;
  change: (state: ExploreState) => void;
  drawn: React.RefObject<Map<string, Drawn>>;
  shell: Search;
};

function Results(props: ResultsProps) {
  const { results, state } = props;
  const time = useTime();
  const loading = results.some((r) => r.loading);
  const failed = results.filter((r) => r.error && !r.stale);
  const stale = results.find((r) => r.stale);
  const empty = results.filter((r) => r.answer && !r.error && isEmpty(r));
  const height = props.width < 600 ? 260 : 340;
  return (
    <>
      <Progress active={loading} />
      {stale?.error && stale.answer && (
        <Stale error={stale.error} since={formatAgo(stale.answer.at, Date.now())} retry={time.refreshNow} />
      )}
      {failed.map((r) =>
        r.error ? (
          <QueryError
            key={r.query.id}
            id={r.query.id}
            expr={r.query.expr}
            error={r.error}
            toTable={state.tab === 'graph' ? () => props.change({ ...state, tab: 'table' }) : undefined}
          />
        ) : null,
      )}
      <Annotations results={results} />
      {empty.length > 0 && <NothingFound results={empty} />}
      <div className={loading ? 'dimmed' : undefined} aria-busy={loading}>
        {state.tab === 'table' ? (
          <Suspense fallback={null}>
            <TableView results={results.filter((r) => !isEmpty(r))} shell={props.shell} />
          </Suspense>
        ) : (
          props.width > 0 && (
            <GraphView
              state={state}
              results={results}
              width={props.width}
              height={height}
              change={props.change}
              drawn={props.drawn}
            />
          )
        )}
        {loading && results.every((r) => !r.answer) && <div style={{ height }} />}
      </div>
    </>
  );
}

function isEmpty(result: Result): boolean {
  const data = result.answer?.data;
  return (
    data !== undefined && (data.resultType === 'matrix' || data.resultType === 'vector') && data.result.length === 0
  );
}
