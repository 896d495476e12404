// Range answers as columns of numbers (docs/api.md). Of a picture that was drawn before only the new steps are asked for, and
// the last two minutes again, because samples may come in late; everything again every five minutes.
import type { Column } from '../series/frame';
import { type Envelope, encode, read, send } from './http';
import {
  type Labels,
  type MatrixItem,
  type QueryData,
  type RangeRequest,
  SERIES_LIMIT,
  type Stats,
} from './prometheus';

const TYPE = 'application/vnd.afferent.columns';
const LATE_SECONDS = 120;
const WHOLE_AGAIN_MS = 300_000;
/** Answers that are kept to be continued. */
const KEPT = 8;

type Head = {
  /** Milliseconds. */
  from: number;
  steps: number;
  series: { metric: Labels; points: number; dense: boolean; histograms?: number }[];
  warnings: string[];
  infos: string[];
  stats?: Stats;
};
type Known = { request: RangeRequest; whole: number; envelope: Envelope<QueryData> };

const known = new Map<string, Known>();

/** Reads the format; columns begin at the step `from`. */
export function decodeColumns(buffer: ArrayBuffer): { head: Head; items: MatrixItem[] } {
  const length = new DataView(buffer).getUint32(4, true);
  const head: Head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  let at = 8 + length;
  const items = head.series.map((series): MatrixItem => {
    const { points, dense } = series;
    const steps = dense ? null : new Uint32Array(buffer, at, points);
    if (!dense) at += 4 * (points + (points % 2));
    const values = new Float64Array(buffer, at, points);
    const words = new Uint32Array(buffer, at, 2 * points);
    at += 8 * points;
    if (points === 0) return { metric: series.metric };
    const column: Column = new Array(head.steps).fill(null);
    for (let i = 0; i < points; i++) {
      // The NaN with these bits means that there is no sample.
      const absent = words[2 * i + 1] === 0x7ff00000 && words[2 * i] === 2;
      if (!absent) column[steps?.[i] ?? i] = values[i];
    }
    return { metric: series.metric, column };
  });
  return { head, items };
}

const identity = (item: MatrixItem) => JSON.stringify(Object.entries(item.metric).sort());

/** Puts new steps behind those that are known; series without a sample in the new range are gone. */
export function continueColumns(
  old: MatrixItem[],
  fresh: MatrixItem[],
  grid: { oldStart: number; start: number; from: number; end: number; step: number },
): MatrixItem[] {
  const steps = (from: number, to: number) => Math.round((to - from) / grid.step);
  const [shift, kept, length] = [
    steps(grid.oldStart, grid.start),
    steps(grid.start, grid.from),
    steps(grid.start, grid.end) + 1,
  ];
  const before = new Map(old.map((item) => [identity(item), item]));
  const joined = fresh.map((item): MatrixItem => {
    const past = before.get(identity(item))?.column;
    before.delete(identity(item));
    const column: Column = new Array(length).fill(null);
    for (let i = 0; i < kept; i++) column[i] = past?.[i + shift] ?? null;
    for (let i = kept; i < length; i++) column[i] = item.column?.[i - kept] ?? null;
    return { metric: item.metric, column };
  });
  for (const item of before.values()) {
    const column: Column = new Array(length).fill(null);
    for (let i = 0; i < kept; i++) column[i] = item.column?.[i + shift] ?? null;
    joined.push({ metric: item.metric, column });
  }
  return joined.filter((item) => item.column?.some((value) => value !== null));
}

/** The same order whether an answer came at once or in pieces. */
function ordered(items: MatrixItem[]): MatrixItem[] {
  const keys = new Map(items.map((item) => [item, identity(item)]));
  return items.sort((a, b) => ((keys.get(a) ?? '') < (keys.get(b) ?? '') ? -1 : 1));
}

/** As `queryRange`, with columns in place of samples. A server that knows no columns answers JSON, which will do. */
export async function queryColumns(request: RangeRequest, signal: AbortSignal): Promise<Envelope<QueryData>> {
  const path = '/api/v1/query_range';
  const key = `${request.step} ${request.query}`;
  const past = known.get(key);
  const since = past ? past.request.end - LATE_SECONDS : 0;
  const usable = past && past.request.start <= request.start && performance.now() - past.whole < WHOLE_AGAIN_MS;
  const later = usable && since >= request.start && since < request.end ? { since } : {};
  const body = encode({ ...request, ...later, stats: 'all', limit: SERIES_LIMIT });
  const response = await send(path, { method: 'POST', body, signal, headers: { accept: `${TYPE}, application/json` } });
  if (response.headers.get('content-type') !== TYPE) return read<QueryData>(response, path);
  const { head, items } = decodeColumns(await response.arrayBuffer());
  const from = head.from / 1000;
  const continues = past !== undefined && from > request.start;
  const grid = { ...request, from, oldStart: past?.request.start ?? 0 };
  const result =
    continues && past.envelope.data.resultType === 'matrix'
      ? continueColumns(past.envelope.data.result, items, grid)
      : items;
  const both = (kind: 'warnings' | 'infos') =>
    continues ? [...new Set([...head[kind], ...past.envelope[kind]])] : head[kind];
  const envelope: Envelope<QueryData> = {
    data: { resultType: 'matrix', result: ordered(result), ...(head.stats ? { stats: head.stats } : {}) },
    warnings: both('warnings'),
    infos: both('infos'),
  };
  known.delete(key);
  // A cut answer may be cut elsewhere next time, and native histograms are counted where all steps are read.
  const whole = continues ? past.whole : performance.now();
  if (items.length < SERIES_LIMIT && items.every((item) => item.column)) known.set(key, { request, whole, envelope });
  const [oldest] = known.keys();
  if (known.size > KEPT && oldest !== undefined) known.delete(oldest);
  return envelope;
}
