// CSV after RFC 4180, with instants in ISO 8601 so that a spreadsheet and a script both read them.
import type { Frame } from './frame';

export function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function csvRows(rows: readonly (readonly (string | number)[])[]): string {
  return rows
    .map((row) => row.map(csvCell).join(','))
    .join('\r\n')
    .concat('\r\n');
}

const specials = new Map([
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NEGATIVE_INFINITY, '-Inf'],
]);

/** One row per time, one column per series; a gap is an empty cell. */
export function frameCsv(frame: Frame): string {
  const head = ['time', ...frame.series.map((s) => s.name)];
  const body = frame.times.map((time, i) => [
    new Date(time * 1000).toISOString(),
    ...frame.series.map((s) => {
      const value = s.values[i];
      return value === null || value === undefined ? '' : (specials.get(value) ?? value);
    }),
  ]);
  return csvRows([head, ...body]);
}
