// Loki's HTTP API, as the page of logs asks it. Instants are nanoseconds since the epoch, which no number holds exactly:
// text in answers, bigint in questions.
import { ApiError, encode, type Params, send } from './http';
import type { Labels, MatrixItem, Sample, VectorItem } from './prometheus';

export type Direction = 'backward' | 'forward';
/** The third part is there where labels are asked for by category: the stream then holds only its own. */
export type Entry = [ns: string, line: string, extra?: { structuredMetadata?: Labels; parsed?: Labels }];
export type StreamItem = { stream: Labels; values: Entry[] };
export type LokiData =
  | { resultType: 'streams'; result: StreamItem[] }
  | { resultType: 'matrix'; result: MatrixItem[] }
  | { resultType: 'vector'; result: VectorItem[] }
  | { resultType: 'scalar'; result: Sample };
export type LokiAnswer = { data: LokiData; warnings: string[] };
export type DetectedField = { label: string; type: string; cardinality: number; parsers: string[] | null };
export type DetectedLabel = { label: string; cardinality: number };
/** Counts of lines at epoch seconds. */
export type Pattern = { pattern: string; level?: string; samples: [number, number][] };
export type TailFrame = { streams?: StreamItem[]; dropped_entries?: unknown[] | null };

/** Both ends in nanoseconds; the end is not part of it. */
export type Span = { start: bigint; end: bigint };
export type LineRequest = Span & { query: string; limit: number; direction: Direction };

const ROOT = '/loki/api/v1';
/** Loki merges metadata and parsed fields into the stream unless asked not to. */
const CATEGORIES = { 'X-Loki-Response-Encoding-Flags': 'categorize-labels' };

/** Errors of Loki are plain text, or JSON with `error` or `message`. */
function errorText(text: string): string {
  try {
    const body = JSON.parse(text) as { error?: string; message?: string };
    return body.error ?? body.message ?? text.trim();
  } catch {
    return text.trim();
  }
}

function kindOf(status: number): string {
  if (status === 400 || status === 422) return 'bad_data';
  if (status === 404) return 'absent';
  if (status === 429) return 'too_many_requests';
  return status === 504 || status === 408 ? 'timeout' : 'http';
}

async function read<T>(response: Response, path: string): Promise<T> {
  const text = await response.text();
  if (!response.ok) {
    const said = errorText(text).slice(0, 2000);
    throw new ApiError(kindOf(response.status), said || `${path} answered ${response.status}`, response.status);
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError('bad_response', `${path} answered with something that is not JSON`, response.status);
  }
}

async function get<T>(path: string, params: Params, signal?: AbortSignal): Promise<T> {
  const init = signal ? { signal } : {};
  return read<T>(await send(`${ROOT}/${path}?${encode(params)}`, init), `${ROOT}/${path}`);
}

async function query(path: string, params: Params, signal?: AbortSignal): Promise<LokiAnswer> {
  const init = { method: 'POST', body: encode(params), headers: CATEGORIES, ...(signal ? { signal } : {}) };
  const body = await read<{ data?: LokiData; warnings?: string[] }>(
    await send(`${ROOT}/${path}`, init),
    `${ROOT}/${path}`,
  );
  if (!body.data) throw new ApiError('bad_response', `${ROOT}/${path} answered without data`, 200);
  return { data: body.data, warnings: body.warnings ?? [] };
}

const span = (s: Span) => ({ start: String(s.start), end: String(s.end) });

export async function queryLines(request: LineRequest, signal?: AbortSignal): Promise<StreamItem[]> {
  const { query: expr, limit, direction } = request;
  const { data } = await query('query_range', { query: expr, ...span(request), limit, direction }, signal);
  if (data.resultType !== 'streams') throw new ApiError('bad_data', 'The answer is numbers, not lines', 200);
  return data.result;
}

/** `step` in seconds. */
export function queryNumbers(expr: string, s: Span, step: number, signal?: AbortSignal): Promise<LokiAnswer> {
  return query('query_range', { query: expr, ...span(s), step }, signal);
}

export async function queryVector(expr: string, time: bigint, limit: number, signal?: AbortSignal) {
  const { data } = await query('query', { query: expr, time: String(time), limit }, signal);
  return data.resultType === 'vector' ? data.result : [];
}

export async function logLabels(s: Span, selector: string, signal?: AbortSignal): Promise<string[]> {
  const params = { ...span(s), ...(selector ? { query: selector } : {}) };
  return (await get<{ data?: string[] }>('labels', params, signal)).data ?? [];
}

export async function logLabelValues(name: string, s: Span, selector: string, signal?: AbortSignal): Promise<string[]> {
  const params = { ...span(s), ...(selector ? { query: selector } : {}) };
  return (await get<{ data?: string[] }>(`label/${encodeURIComponent(name)}/values`, params, signal)).data ?? [];
}

export async function detectedLabels(selector: string, s: Span, signal?: AbortSignal): Promise<DetectedLabel[]> {
  const params = { ...span(s), query: selector };
  return (await get<{ detectedLabels?: DetectedLabel[] }>('detected_labels', params, signal)).detectedLabels ?? [];
}

export async function detectedFields(expr: string, s: Span, signal?: AbortSignal): Promise<DetectedField[]> {
  const params = { ...span(s), query: expr, limit: 1000 };
  return (await get<{ fields?: DetectedField[] | null }>('detected_fields', params, signal)).fields ?? [];
}

export async function logPatterns(selector: string, s: Span, step: number, signal?: AbortSignal): Promise<Pattern[]> {
  const params = { ...span(s), query: selector, step: `${step}s` };
  return (await get<{ data?: Pattern[] }>('patterns', params, signal)).data ?? [];
}

export async function formatQuery(expr: string, signal?: AbortSignal): Promise<string> {
  return (await get<{ data: string }>('format_query', { query: expr }, signal)).data;
}

/** The address of a live tail; lines from `start` come first. */
export function tailUrl(expr: string, start: bigint, limit: number): string {
  const { protocol, host } = window.location;
  const params = encode({ query: expr, start: String(start), limit });
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${ROOT}/tail?${params}`;
}

/** Where an error of LogQL points, one-based, as in `parse error at line 1, col 5: syntax error: ...`. */
export function logqlPosition(message: string): { line: number; column: number; message: string } | null {
  const found = /parse error at line (\d+), col (\d+): (.*)$/s.exec(message);
  if (!found) return null;
  return { line: Number(found[1]), column: Number(found[2]), message: found[3] ?? message };
}
