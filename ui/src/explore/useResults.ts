// Runs the page's queries and keeps the last good answer of each, so that a failing refresh does not empty the screen.
import { useQueries } from '@tanstack/react-query';
import { useMemo, useRef } from 'react';
import { ApiError } from '../api/http';
import { queryInstant, queryRange } from '../api/prometheus';
import type { QueryResult } from '../series/frame';
import { useTime } from '../shell/time';
import type { Range } from '../time/range';
import { alignRange, chooseStep, expandVariables } from '../time/step';
import type { ExploreState, Query } from './state';

export type Answer = Omit<QueryResult, 'query' | 'legend'> & {
  kind: 'range' | 'instant';
  warnings: string[];
  infos: string[];
  /** Milliseconds between asking and having read the answer. */
  took: number;
  at: number;
};
export type Result = {
  query: Query;
  answer: Answer | null;
  error: ApiError | null;
  /** The answer shown is older than the last attempt. */
  stale: boolean;
  loading: boolean;
};

export type Plan = {
  query: Query;
  kind: 'range' | 'instant';
  /** Numbers in columns will do: nobody reads single samples. */
  picture: boolean;
  expr: string;
  start: number;
  end: number;
  step: number;
};

/** What each query asks for on this tab; null for those that are off, empty, or not for this tab. */
export function planQuery(query: Query, tab: ExploreState['tab'], range: Range, width: number): Plan | null {
  if (query.off || query.expr.trim() === '') return null;
  if (tab === 'graph' && query.kind === 'instant') return null;
  const kind = tab === 'graph' || query.kind === 'range' ? 'range' : 'instant';
  const seconds = (range.end - range.start) / 1000;
  const step = chooseStep(query.step, seconds, width);
  const { start, end } = alignRange(range.start / 1000, range.end / 1000, step);
  const picture = tab === 'graph';
  return { query, kind, picture, expr: expandVariables(query.expr, step, seconds), start, end, step };
}

async function ask(plan: Plan, time: number, signal: AbortSignal): Promise<Answer> {
  const before = performance.now();
  const { expr, start, end, step, kind } = plan;
  const range = { query: expr, start, end, step };
  const envelope = plan.picture
    ? await (await import('../api/columns')).queryColumns(range, signal)
    : kind === 'range'
      ? await queryRange(range, signal)
      : await queryInstant(expr, time, signal);
  return { ...envelope, expr, start, end, step, kind, took: performance.now() - before, at: Date.now() };
}

export function useResults(state: ExploreState, width: number): Result[] {
  const { range, tick } = useTime();
  const good = useRef(new Map<string, Answer>());
  const plans = state.queries.flatMap((query) => {
    const plan = planQuery(query, state.tab, range, width);
    return plan ? [plan] : [];
  });
  for (const slot of good.current.keys()) {
    if (!plans.some((plan) => slot.startsWith(`${plan.query.id}.`))) good.current.delete(slot);
  }
  const instant = range.end / 1000;
  const queries = useQueries({
    queries: plans.map((plan) => ({
      queryKey: [
        'query',
        plan.kind,
        plan.picture,
        plan.expr,
        plan.kind === 'range' ? [plan.start, plan.end, plan.step] : instant,
        tick,
      ],
      queryFn: ({ signal }: { signal: AbortSignal }) => ask(plan, instant, signal),
      gcTime: 5_000,
    })),
  });

  const results = plans.map((plan, i): Result => {
    const slot = `${plan.query.id}.${plan.kind}`;
    const own = queries[i];
    if (own?.data) good.current.set(slot, own.data);
    const error = own?.error ? asApiError(own.error) : null;
    const kept = good.current.get(slot) ?? null;
    const usable = error === null || (error.kind === 'network' && kept?.expr === plan.expr);
    return {
      query: plan.query,
      answer: own?.data ?? (usable ? kept : null),
      error,
      stale: error !== null && usable,
      loading: own?.isFetching ?? false,
    };
  });
  return useStable(results);
}

function asApiError(error: Error): ApiError {
  return error instanceof ApiError ? error : new ApiError('client', error.message, 0);
}

/** The same array while nothing in it changed, so that charts are not told of news that are none. */
function useStable(results: Result[]): Result[] {
  const before = useRef(results);
  return useMemo(() => {
    const old = before.current;
    const same =
      old.length === results.length &&
      results.every((r, i) => {
        const o = old[i];
        return (
          o !== undefined &&
          o.query.id === r.query.id &&
          o.query.legend === r.query.legend &&
          o.answer === r.answer &&
          o.error === r.error &&
          o.loading === r.loading
        );
      });
    if (!same) before.current = results;
    return before.current;
  }, [results]);
}
