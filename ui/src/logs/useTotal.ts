// How many lines there are: known from the list where it is complete, else counted by the server.
import { useQuery } from '@tanstack/react-query';
import { queryVector, type Span } from '../api/loki';
import { totalQuery } from './query';
import type { Lines } from './useLines';

export const spanMs = (span: Span) => Math.max(1, Number((span.end - span.start) / 1_000_000n));

export function useTotal(query: string, span: Span, tick: number, on: boolean, lines: Lines): number | null {
  const complete = lines.done && !lines.loading;
  const counted = useQuery({
    queryKey: ['log-total', query, String(span.start), String(span.end), tick],
    queryFn: async ({ signal }) => {
      const [found] = await queryVector(totalQuery(query, spanMs(span)), span.end, 1, signal);
      return Number(found?.value?.[1] ?? 0);
    },
    enabled: on && !complete && !lines.loading,
    placeholderData: (old) => old,
  });
  if (complete) return lines.lines.length;
  return counted.data === undefined ? null : Math.max(counted.data, lines.lines.length);
}
