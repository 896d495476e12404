// The lines of a query, page by page, with what was seen before kept on screen until the first new page is there.
import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError } from '../api/http';
import type { Direction, Span } from '../api/loki';
import { type LogLine, linePages, spanAfter } from './lines';
import { MOST_LINES } from './state';

export type Lines = {
  lines: LogLine[];
  /** The query and span that `lines` answer. */
  asked: Asked | null;
  /** Nothing more is to be had in this span. */
  done: boolean;
  loading: boolean;
  error: ApiError | null;
  /** Milliseconds from asking to the first page. */
  took: number;
  at: number;
  more: () => void;
};
export type Asked = Span & { query: string; direction: Direction };
type State = Omit<Lines, 'more'>;

const NOTHING: State = { lines: [], asked: null, done: false, loading: false, error: null, took: 0, at: 0 };
/** How many lines one press for more brings. */
export const MORE = 1000;

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('client', (error as Error).message, 0);
}

/** `asked` null asks nothing. A new `tick` asks again. */
export function useLines(asked: Asked | null, limit: number, tick: number): Lines {
  const [state, setState] = useState<State>(NOTHING);
  const running = useRef<AbortController | null>(null);
  const latest = useRef({ state, asked });
  latest.current = { state, asked };
  const key = asked ? [asked.query, asked.start, asked.end, asked.direction].join('\n') : '';

  /** Asks for `count` lines behind `before`. */
  const fetchPages = useCallback(async (question: Asked, count: number, before: LogLine[]) => {
    running.current?.abort();
    const control = new AbortController();
    running.current = control;
    const began = performance.now();
    const last = before.at(-1);
    const known = new Set(last ? before.slice(-2000).map((l) => l.key) : []);
    setState((old) => ({ ...old, loading: true, error: null }));
    let lines = before;
    let took = 0;
    try {
      const span = spanAfter(question, last, question.direction);
      const request = { ...question, ...span, limit: count + (last ? 1 : 0) };
      for await (const page of linePages(request, control.signal)) {
        if (control.signal.aborted) return;
        lines = lines.concat(page.lines.filter((l) => !known.has(l.key)));
        took ||= performance.now() - began;
        setState({ lines, asked: question, done: page.done, loading: true, error: null, took, at: Date.now() });
      }
      const at = Date.now();
      setState((old) => ({ ...old, lines, asked: question, loading: false, at, took: took || old.took }));
    } catch (error) {
      if (!control.signal.aborted) setState((old) => ({ ...old, loading: false, error: asApiError(error) }));
    }
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for `asked`, and `tick` asks again.
  useEffect(() => {
    const question = latest.current.asked;
    if (question) void fetchPages(question, limit, []);
    else setState(NOTHING);
    return () => running.current?.abort();
  }, [key, limit, tick, fetchPages]);

  const more = useCallback(() => {
    const { lines, asked: question, loading } = latest.current.state;
    const room = MOST_LINES - lines.length;
    if (question && !loading && room > 0) void fetchPages(question, Math.min(MORE, room), lines);
  }, [fetchPages]);
  return { ...state, more };
}
