// The histogram of lines: buckets on round times, one column for each level.
import type { Span } from '../api/loki';
import type { MatrixItem } from '../api/prometheus';
import type { Column, Frame } from '../series/frame';
import { LEVEL_WORD, LEVELS, type LogLevel, levelOf } from './levels';

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000,
];
/** Pixels that a bar wants. */
const BAR = 12;

/** Seconds of a bucket: about one bar in twelve pixels. */
export function bucketStep(span: Span, width: number): number {
  const seconds = Number(span.end - span.start) / 1e9;
  const wanted = seconds / Math.max(width / BAR, 20);
  return STEPS.find((s) => s >= wanted) ?? Math.ceil(wanted / 2_592_000) * 2_592_000;
}

/** Evaluated at the end of each bucket, from the first that reaches into the span to the one that holds its end. */
export function bucketSpan(span: Span, step: number): Span {
  const size = BigInt(step) * 1_000_000_000n;
  return { start: (span.start / size + 1n) * size, end: ((span.end + size - 1n) / size) * size };
}

export type LevelFrame = Frame & { spelled: ReadonlyMap<LogLevel, ReadonlySet<string>> };

/** Counts by level; each bucket stands at its beginning. Levels that do not occur have no series. */
export function levelFrame(items: readonly MatrixItem[], span: Span, step: number): LevelFrame {
  const first = Number(span.start / 1_000_000_000n) - step;
  const count = Math.max(1, Math.round(Number(span.end - span.start) / 1e9 / step) + 1);
  const times = Array.from({ length: count }, (_, i) => first + i * step);
  const columns = new Map<LogLevel, Column>();
  const spelled = new Map<LogLevel, Set<string>>();
  for (const { metric, values } of items) {
    const word = metric.detected_level ?? '';
    const level = levelOf(word);
    spelled.set(level, (spelled.get(level) ?? new Set()).add(word));
    const column: Column = columns.get(level) ?? new Array(count).fill(null);
    columns.set(level, column);
    for (const [at, text] of values ?? []) {
      const index = Math.round((at - step - first) / step);
      if (index >= 0 && index < count) column[index] = (column[index] ?? 0) + Number(text);
    }
  }
  const series = LEVELS.flatMap((level) => {
    const values = columns.get(level);
    return values ? [{ key: level, query: '', name: LEVEL_WORD[level], labels: { level }, values }] : [];
  });
  return { times, series, spelled };
}

/** `spelled` is how the server writes the level, in all the ways that occur. */
export type LevelTotal = { level: LogLevel; count: number; spelled: string[] };

export function levelTotals(frame: LevelFrame): LevelTotal[] {
  return frame.series.map((s) => {
    const level = s.key as LogLevel;
    const count = s.values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    return { level, count, spelled: [...(frame.spelled.get(level) ?? [])] };
  });
}
