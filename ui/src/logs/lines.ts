// Log lines: from Loki's streams to one list in order, and page after page without a gap or a repeat.
import { type Direction, type LineRequest, queryLines, type StreamItem } from '../api/loki';
import type { Labels } from '../api/prometheus';
import { hashText } from '../series/labels';
import { type Body, bodyFields, type Field, parseBody } from './fold';
import { type LogLevel, levelIn } from './levels';
import { LINE } from './state';

export type LogLine = {
  /** Identity within a page, fit for a URL. */
  key: string;
  ns: string;
  /** The same in epoch milliseconds, fractions cut. */
  ms: number;
  line: string;
  labels: Labels;
  metadata: Labels;
  /** By the stages of the query. */
  parsed: Labels;
  level: LogLevel;
};

const NONE: Labels = {};

function compareNs(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** One list of all streams, in the direction asked for. */
export function linesOf(items: readonly StreamItem[], direction: Direction): LogLine[] {
  const out: LogLine[] = [];
  for (const { stream, values } of items) {
    const names = hashText(
      Object.keys(stream)
        .sort()
        .map((n) => `${n}\u0001${stream[n]}`)
        .join('\u0002'),
    );
    for (const [ns, line, extra] of values) {
      const metadata = extra?.structuredMetadata ?? NONE;
      const parsed = extra?.parsed ?? NONE;
      out.push({
        key: `${ns}-${((hashText(line) ^ names) >>> 0).toString(36)}`,
        ns,
        ms: Number(ns.slice(0, -6)),
        line,
        labels: stream,
        metadata,
        parsed,
        level: levelIn([metadata, stream, parsed], line),
      });
    }
  }
  const sign = direction === 'backward' ? -1 : 1;
  return out.sort((a, b) => sign * compareNs(a.ns, b.ns));
}

export type Page = { lines: LogLine[]; done: boolean };
export type Ask = (request: LineRequest, signal?: AbortSignal) => Promise<StreamItem[]>;
export const PAGE = 5000;

/**
 * Pages of lines until `limit` lines or the end of the span. Each page begins at the instant where the last one ended, for
 * several lines may share it, and leaves out what was given already. More lines of one nanosecond than a page holds are the
 * one thing that is skipped.
 */
export async function* linePages(
  request: LineRequest,
  signal?: AbortSignal,
  ask: Ask = queryLines,
  pageSize = PAGE,
): AsyncGenerator<Page> {
  let { start, end } = request;
  const { query, direction } = request;
  let seen = new Set<string>();
  let left = request.limit;
  while (left > 0 && start < end) {
    const limit = Math.min(pageSize, left + seen.size);
    const got = linesOf(await ask({ query, start, end, limit, direction }, signal), direction);
    const fresh = got.filter((l) => !seen.has(l.key)).slice(0, left);
    const last = got.at(-1);
    left -= fresh.length;
    const done = got.length < limit || last === undefined;
    yield { lines: fresh, done };
    if (done) return;
    const edge = BigInt(last.ns);
    const stuck = fresh.length === 0;
    if (direction === 'backward') end = stuck ? edge : edge + 1n;
    else start = stuck ? edge + 1n : edge;
    seen = new Set(got.filter((l) => l.ns === last.ns).map((l) => l.key));
  }
}

/** What comes after `last` in the same span. The line itself is asked for again and left out by the caller. */
export function spanAfter(span: { start: bigint; end: bigint }, last: LogLine | undefined, direction: Direction) {
  if (!last) return span;
  const edge = BigInt(last.ns);
  return direction === 'backward' ? { start: span.start, end: edge + 1n } : { start: edge, end: span.end };
}

const bodies = new WeakMap<LogLine, Body>();

/** Taken apart once, when it is first seen. */
export function bodyOf(line: LogLine): Body {
  let body = bodies.get(line);
  if (!body) {
    body = parseBody(line.line);
    bodies.set(line, body);
  }
  return body;
}

/** The value of a column: what the server found, else what the line holds; undefined where there is none. */
export function columnValue(line: LogLine, name: string): string | undefined {
  if (name === LINE) return line.line;
  const known = line.labels[name] ?? line.metadata[name] ?? line.parsed[name];
  return known ?? bodyFields(bodyOf(line)).find(([n]) => n === name)?.[1];
}

export type LineField = { name: string; value: string; source: 'label' | 'metadata' | 'json' | 'logfmt' };

/** Every field of a line with where it comes from; a name is listed once. */
export function fieldsOf(line: LogLine): LineField[] {
  const body = bodyOf(line);
  const source = body.kind === 'text' ? 'json' : body.kind;
  const groups: [LineField['source'], Field[]][] = [
    ['label', Object.entries(line.labels)],
    ['metadata', Object.entries(line.metadata)],
    [source, bodyFields(body)],
    [source, Object.entries(line.parsed)],
  ];
  const seen = new Set<string>();
  return groups.flatMap(([from, fields]) =>
    fields.flatMap(([name, value]): LineField[] => {
      if (seen.has(name)) return [];
      seen.add(name);
      return [{ name, value, source: from }];
    }),
  );
}

const TRACE_NAMES = /^(trace_?id|traceID|otelTraceID)$/i;

/** The id of the trace that a line belongs to. */
export function traceIdOf(line: LogLine): string | null {
  const found = fieldsOf(line).find((f) => TRACE_NAMES.test(f.name) && /^[0-9a-f]{16,32}$/i.test(f.value));
  return found?.value ?? null;
}

/** `2026-01-31T14:05:09.123456789Z`. */
export function isoNs(ns: string): string {
  const whole = new Date(Number(ns.slice(0, -6))).toISOString();
  return `${whole.slice(0, 19)}.${ns.slice(-9)}Z`;
}
