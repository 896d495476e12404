// Query results as rows: one per sample, labels as columns.
import { type Histogram, type Labels, parseValue, type QueryData } from '../api/prometheus';
import { formatLabels } from './labels';

export type Cell = { kind: 'value'; value: number; text: string } | { kind: 'histogram'; histogram: Histogram };
export type Row = { time: number; labels: Labels; cell: Cell };
export type TableData = { columns: string[]; rows: Row[]; single: boolean };

const valueCell = (text: string): Cell => ({ kind: 'value', value: parseValue(text), text });

function rowsOf(data: QueryData): Row[] {
  if (data.resultType === 'vector') {
    return data.result.map((item): Row => {
      if (item.histogram) {
        const [time, histogram] = item.histogram;
        return { time, labels: item.metric, cell: { kind: 'histogram', histogram } };
      }
      const [time, text] = item.value ?? [0, 'NaN'];
      return { time, labels: item.metric, cell: valueCell(text) };
    });
  }
  if (data.resultType === 'matrix') {
    return data.result.flatMap((item) => [
      ...(item.values ?? []).map(([time, text]): Row => ({ time, labels: item.metric, cell: valueCell(text) })),
      ...(item.histograms ?? []).map(
        ([time, histogram]): Row => ({ time, labels: item.metric, cell: { kind: 'histogram', histogram } }),
      ),
    ]);
  }
  const [time, text] = data.result;
  return [{ time, labels: {}, cell: valueCell(text) }];
}

/** Columns are the label names in order, the metric name first. */
export function tableOf(data: QueryData): TableData {
  const rows = rowsOf(data);
  const names = new Set<string>();
  let previous: Labels | undefined;
  for (const row of rows) {
    if (row.labels !== previous) for (const name of Object.keys(row.labels)) names.add(name);
    previous = row.labels;
  }
  const columns = [...names].sort((a, b) => Number(b === '__name__') - Number(a === '__name__') || (a < b ? -1 : 1));
  return { columns, rows, single: data.resultType === 'scalar' || data.resultType === 'string' };
}

/** More label columns than this push the value off the screen; then one column holds the whole label set. */
export const LABEL_COLUMNS = 10;

/** Columns that are no labels, under names that no label has. */
export const TIME = '{time}';
export const SERIES = '{series}';
export const VALUE = '{value}';
/** TIME, SERIES, VALUE or a label name. */
export type TableSort = { column: string; descending: boolean };

const collator = new Intl.Collator('en', { numeric: true });

function cellNumber(cell: Cell): number {
  return cell.kind === 'value' ? cell.value : parseValue(cell.histogram.count);
}

export function sortRows(rows: readonly Row[], sort: TableSort): Row[] {
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (sort.column === TIME) return sign * (a.time - b.time);
    if (sort.column === VALUE) {
      const left = cellNumber(a.cell);
      const right = cellNumber(b.cell);
      if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
      return left === right ? 0 : sign * (left < right ? -1 : 1);
    }
    if (sort.column === SERIES) return sign * collator.compare(formatLabels(a.labels), formatLabels(b.labels));
    return sign * collator.compare(a.labels[sort.column] ?? '', b.labels[sort.column] ?? '');
  });
}

/** Keeps rows where every word of the filter occurs in some `name=value`. */
export function filterRows(rows: readonly Row[], filter: string): Row[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...rows];
  return rows.filter((row) => {
    const text = Object.entries(row.labels)
      .map(([name, value]) => `${name}=${value}`)
      .concat(row.cell.kind === 'value' ? row.cell.text : '')
      .join(' ')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export function histogramText(histogram: Histogram): string {
  const buckets = (histogram.buckets ?? []).map(([boundaries, lower, upper, count]) => {
    // 0: open left, 1: open right, 2: open both, 3: closed both.
    const left = boundaries === 0 || boundaries === 2 ? '(' : '[';
    const right = boundaries === 1 || boundaries === 2 ? ')' : ']';
    return `${left}${lower}, ${upper}${right}: ${count}`;
  });
  return `count ${histogram.count}, sum ${histogram.sum}${buckets.length > 0 ? `; ${buckets.join('; ')}` : ''}`;
}
