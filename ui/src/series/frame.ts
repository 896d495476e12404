// From query results to what a chart draws: one time axis, one column per series.
import { type Labels, type MatrixItem, parseValue, type QueryData } from '../api/prometheus';
import { legendName, seriesKey, shortNames } from './labels';

/** null: no sample where one was due, a gap. undefined: this series has no step there. NaN: the value is NaN. */
export type Column = (number | null | undefined)[];
export type Series = { key: string; query: string; name: string; labels: Labels; values: Column };
/** Times in epoch seconds, ascending; each column is as long as `times`. */
export type Frame = { times: number[]; series: Series[] };

export type QueryResult = {
  query: string;
  expr: string;
  legend: string;
  start: number;
  end: number;
  step: number;
  data: QueryData;
};

function grid(start: number, end: number, step: number): number[] {
  const count = Math.floor((end - start) / step + 1e-6) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number((start + i * step).toFixed(3)));
}

/** Places the samples of one series on its query's steps. */
function column(item: MatrixItem, start: number, step: number, length: number): Column {
  const out: Column = new Array(length).fill(null);
  for (const [time, text] of item.values ?? []) {
    const index = Math.round((time - start) / step);
    if (index >= 0 && index < length) out[index] = parseValue(text);
  }
  return out;
}

const hasNumbers = (item: MatrixItem) => (item.column ?? item.values) !== undefined;

export function namesOf(result: QueryResult, items: readonly { metric: Labels }[]): string[] {
  const sets = items.map((item) => item.metric);
  if (result.legend.trim() !== '') return sets.map((labels) => legendName(result.legend, labels, result.expr));
  return shortNames(sets).map((name) => (name === '{}' ? result.expr : name));
}

function frameOf(result: QueryResult): Frame {
  const times = grid(result.start, result.end, result.step);
  if (result.data.resultType !== 'matrix') return { times, series: [] };
  const items = result.data.result.filter(hasNumbers);
  const names = namesOf(result, items);
  const series = items.map((item, i) => ({
    key: seriesKey(result.query, item.metric),
    query: result.query,
    name: names[i] ?? result.expr,
    labels: item.metric,
    values: item.column ?? column(item, result.start, result.step, times.length),
  }));
  return { times, series };
}

/** All results on one axis. Where steps differ, a series has `undefined` at the times of the others. */
export function buildFrame(results: readonly QueryResult[]): Frame {
  const frames = results.map(frameOf);
  const [first] = frames;
  if (!first) return { times: [], series: [] };
  const same = frames.every((f) => f.times.length === first.times.length && f.times[0] === first.times[0]);
  if (same) return { times: first.times, series: frames.flatMap((f) => f.series) };
  const times = [...new Set(frames.flatMap((f) => f.times))].sort((a, b) => a - b);
  const place = new Map(times.map((time, i) => [time, i]));
  const series = frames.flatMap((f) =>
    f.series.map((s) => {
      const values: Column = new Array(times.length).fill(undefined);
      f.times.forEach((time, i) => {
        values[place.get(time) ?? 0] = s.values[i];
      });
      return { ...s, values };
    }),
  );
  return { times, series };
}

/** How many series of a result are native histograms, which a line cannot show. */
export function histogramCount(data: QueryData): number {
  return data.resultType === 'matrix' ? data.result.filter((item) => !hasNumbers(item)).length : 0;
}
