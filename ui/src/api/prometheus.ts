// The answers of the Prometheus HTTP API that the pages read.
import type { Column } from '../series/frame';
import { type Envelope, get, post } from './http';

export type Labels = Record<string, string>;
/** Epoch seconds and the value as text: JSON has no NaN. */
export type Sample = [number, string];
export type HistogramBucket = [boundaries: number, lower: string, upper: string, count: string];
export type Histogram = { count: string; sum: string; buckets?: HistogramBucket[] };
export type HistogramSample = [number, Histogram];
export type VectorItem = { metric: Labels; value?: Sample; histogram?: HistogramSample };
export type MatrixItem = {
  metric: Labels;
  values?: Sample[];
  histograms?: HistogramSample[];
  /** In place of `values`: one entry for each step. */
  column?: Column;
};
export type Stats = {
  timings?: { evalTotalTime?: number; execTotalTime?: number; queuePreparationTime?: number };
  samples?: { totalQueryableSamples?: number; peakSamples?: number };
};
export type QueryData = (
  | { resultType: 'vector'; result: VectorItem[] }
  | { resultType: 'matrix'; result: MatrixItem[] }
  | { resultType: 'scalar' | 'string'; result: Sample }
) & { stats?: Stats };
export type MetricMetadata = { type: string; help: string; unit: string };

/** More series than this are not read for a picture: no screen shows them. */
export const SERIES_LIMIT = 2000;

export type RangeRequest = { query: string; start: number; end: number; step: number };

export function queryRange(request: RangeRequest, signal?: AbortSignal): Promise<Envelope<QueryData>> {
  return post<QueryData>('/api/v1/query_range', { ...request, stats: 'all', limit: SERIES_LIMIT }, signal);
}

export function queryInstant(query: string, time: number, signal?: AbortSignal): Promise<Envelope<QueryData>> {
  return post<QueryData>('/api/v1/query', { query, time, stats: 'all' }, signal);
}

export async function metricMetadata(signal?: AbortSignal): Promise<Record<string, MetricMetadata[]>> {
  return (await get<Record<string, MetricMetadata[]>>('/api/v1/metadata', {}, signal)).data;
}

export async function labelValues(label: string, signal?: AbortSignal): Promise<string[]> {
  return (await get<string[]>(`/api/v1/label/${encodeURIComponent(label)}/values`, {}, signal)).data;
}

/** Prometheus writes numbers as text, infinities as `+Inf` and `-Inf`. */
export function parseValue(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

/** Where a parse error points, one-based, as in `1:5: parse error: ...`. */
export type ErrorPosition = { line: number; column: number; message: string };

export function errorPosition(message: string): ErrorPosition | null {
  const found = /(?:^|[\s:])(\d+):(\d+): (parse error: .*)$/s.exec(message);
  if (!found) return null;
  return { line: Number(found[1]), column: Number(found[2]), message: found[3] ?? message };
}
