// The rules of both APIs, asked again with each refresh; what one of them cannot tell does not hide the other.
import { useMemo } from 'react';
import { fetchRules, type RuleGroup, type Source } from '../api/rules';
import { type Live, useLive } from '../parts/useLive';
import { type Entry, entriesOf } from './model';

export type Failure = { source: Source; error: Error };
export type Rules = {
  /** undefined: neither has answered yet. */
  entries: Entry[] | undefined;
  /** Nothing is known from these. */
  missing: Failure[];
  /** What is shown of these is from before. */
  stale: Failure[];
  /** When the older of the answers shown came, in epoch milliseconds. */
  at: number;
  loading: boolean;
  retry: () => void;
};

const NONE: RuleGroup[] = [];

export function useRules(): Rules {
  const metrics = useLive(['rules', 'metrics'], (signal) => fetchRules('metrics', signal), 2);
  const logs = useLive(['rules', 'logs'], (signal) => fetchRules('logs', signal), 2);
  const entries = useMemo(
    () =>
      metrics.data || logs.data ? entriesOf({ metrics: metrics.data ?? NONE, logs: logs.data ?? NONE }) : undefined,
    [metrics.data, logs.data],
  );
  const both: [Source, Live<RuleGroup[]>][] = [
    ['metrics', metrics],
    ['logs', logs],
  ];
  const failures = both.flatMap(([source, { error, data }]) =>
    error ? [{ source, error, known: data !== undefined }] : [],
  );
  return {
    entries,
    missing: failures.filter((failure) => !failure.known),
    stale: failures.filter((failure) => failure.known),
    at: Math.min(...both.filter(([, live]) => live.data).map(([, live]) => live.at)),
    loading: metrics.loading || logs.loading,
    retry: () => {
      metrics.retry();
      logs.retry();
    },
  };
}
