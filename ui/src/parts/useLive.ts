// What a page asks for again with each of its refreshes, while the last answer stays in sight.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useTime } from '../shell/time';

export type Live<T> = {
  data: T | undefined;
  /** Of the last attempt; `data` may still hold an earlier answer. */
  error: Error | null;
  /** When `data` came, in epoch milliseconds. */
  at: number;
  /** `data` answers an earlier question. */
  old: boolean;
  loading: boolean;
  retry: () => void;
};

/** Milliseconds. */
const LONGEST_WAIT = 30_000;

/**
 * An answer that took long is asked for again no sooner than after `patience` times as long (half a minute at most), so that a
 * page left open does not keep the server busy.
 */
export function useLive<T>(key: readonly unknown[], ask: (signal: AbortSignal) => Promise<T>, patience = 0): Live<T> {
  const { tick } = useTime();
  const took = useRef(0);
  const query = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const before = performance.now();
      const answer = await ask(signal);
      took.current = performance.now() - before;
      return answer;
    },
    placeholderData: keepPreviousData,
  });
  const { refetch } = query;
  const latest = useRef(query);
  latest.current = query;
  useEffect(() => {
    if (tick === 0 || latest.current.isFetching) return;
    const wait = Math.min(took.current * patience, LONGEST_WAIT) - (Date.now() - latest.current.dataUpdatedAt);
    if (wait <= 0) {
      void refetch();
      return;
    }
    const timer = window.setTimeout(() => void refetch(), wait);
    return () => window.clearTimeout(timer);
  }, [tick, patience, refetch]);
  return {
    data: query.data,
    error: query.error,
    at: query.dataUpdatedAt,
    old: query.isPlaceholderData,
    loading: query.isFetching,
    retry: () => void refetch(),
  };
}
