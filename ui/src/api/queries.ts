// Queries that the server is working on.
import { call, get } from './http';

export type ActiveQuery = {
  id: string;
  state: 'queued' | 'running' | 'ending';
  kind: string;
  query: string;
  tenant: string;
  /** Epoch milliseconds. */
  started: number;
  elapsedSeconds: number;
  queuedSeconds: number;
  timeoutSeconds?: number;
  /** Of an instant query, epoch milliseconds. */
  time?: number;
  start?: number;
  end?: number;
  stepSeconds?: number;
  series: number;
  samples: number;
  memoryBytes: number;
  peakMemoryBytes: number;
  client?: string;
  forwardedFor?: string;
  userAgent?: string;
};
export type QueriesAnswer = {
  now: number;
  running: number;
  queued: number;
  maxRunning: number;
  maxQueued: number;
  queries: ActiveQuery[];
};

export async function fetchQueries(signal?: AbortSignal): Promise<QueriesAnswer> {
  return (await get<QueriesAnswer>('/api/afferent/v1/queries', {}, signal)).data;
}

export async function killQuery(id: string): Promise<ActiveQuery> {
  return (await call<ActiveQuery>('DELETE', `/api/afferent/v1/queries/${encodeURIComponent(id)}`)).data;
}
