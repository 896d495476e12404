// All lines of a query as a file, page by page: what is written does not wait for what is still to come.
import type { LineRequest } from '../api/loki';
import { csvRows } from '../series/csv';
import { LEVEL_WORD } from './levels';
import { columnValue, isoNs, type LogLine, linePages } from './lines';
import { LINE } from './state';

export type Format = 'ndjson' | 'csv';

export function ndjson(lines: readonly LogLine[]): string {
  return lines
    .map(({ ns, labels, metadata, parsed, line }) => {
      const fields = { ...metadata, ...parsed };
      const more = Object.keys(fields).length > 0 ? { fields } : {};
      return `${JSON.stringify({ time: isoNs(ns), labels, ...more, line })}\n`;
    })
    .join('');
}

/** Time, level, the columns of the list, and the line, which is never left out. */
export function csvColumns(columns: readonly string[]): string[] {
  return columns.includes(LINE) ? [...columns] : [...columns, LINE];
}

export function csvHead(columns: readonly string[]): string {
  return csvRows([['time', 'level', ...csvColumns(columns).map((c) => (c === LINE ? 'line' : c))]]);
}

export function csv(lines: readonly LogLine[], columns: readonly string[]): string {
  if (lines.length === 0) return '';
  const names = csvColumns(columns);
  return csvRows(
    lines.map((line) => [
      isoNs(line.ns),
      line.level === 'unknown' ? '' : LEVEL_WORD[line.level].toLowerCase(),
      ...names.map((name) => columnValue(line, name) ?? ''),
    ]),
  );
}

/** Where the text of a file goes. */
export type Sink = { write: (text: string) => Promise<void>; close: () => Promise<void> };

export async function exportLines(
  request: Omit<LineRequest, 'limit'>,
  format: Format,
  columns: readonly string[],
  sink: Sink,
  progress: (lines: number) => void,
  signal: AbortSignal,
  pages: typeof linePages = linePages,
): Promise<number> {
  let count = 0;
  if (format === 'csv') await sink.write(csvHead(columns));
  for await (const { lines } of pages({ ...request, limit: Number.MAX_SAFE_INTEGER }, signal)) {
    signal.throwIfAborted();
    await sink.write(format === 'csv' ? csv(lines, columns) : ndjson(lines));
    count += lines.length;
    progress(count);
  }
  await sink.close();
  return count;
}

type Picker = (options: { suggestedName: string }) => Promise<{
  createWritable: () => Promise<{ write: (text: string) => Promise<void>; close: () => Promise<void> }>;
}>;

/** Straight to disk where the browser can; else in parts until the end, then as a download. */
export async function openSink(name: string, save: (name: string, content: Blob) => void): Promise<Sink> {
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (picker) {
    const file = await (await picker({ suggestedName: name })).createWritable();
    return { write: (text) => file.write(text), close: () => file.close() };
  }
  const parts: Blob[] = [];
  return {
    write: async (text) => {
      parts.push(new Blob([text]));
    },
    close: async () => save(name, new Blob(parts, { type: 'text/plain;charset=utf-8' })),
  };
}
