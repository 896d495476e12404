// The store's figures as the page says them: what is near a limit, what was refused and why, selectors that narrow.
import type { BlockInfo, StoreStatus } from '../api/status';
import type { Frame } from '../series/frame';
import { formatLabels } from '../series/labels';
import { formatDuration } from '../time/format';

export const TABS = ['store', 'cardinality', 'queries'] as const;
export type Tab = (typeof TABS)[number];
export const TAB_LABEL: Record<Tab, string> = { store: 'Store', cardinality: 'Cardinality', queries: 'Queries' };

export function tabOf(text: string | undefined): Tab {
  return TABS.find((tab) => tab === text) ?? 'store';
}

/** True where series were counted for an hour; before that their number says nothing of an hour. */
export const isWholeHour = (overMs: number) => overMs >= 3_590_000;

export type MemoryPart = {
  name: string;
  what: string;
  used: number;
  limit: number | null;
  /** At its limit; null for a cache, which is meant to be full. */
  refusal: string | null;
};

export function memoryParts(memory: StoreStatus['memory']): MemoryPart[] {
  return [
    {
      name: 'Head',
      what: 'Series that take samples now',
      used: memory.head,
      limit: memory.headLimit,
      refusal: 'Writes are answered with 503 and Retry-After when it is full.',
    },
    {
      name: 'Queries',
      what: 'Samples and results of queries at work',
      used: memory.queries,
      limit: memory.queriesLimit,
      refusal: 'New queries are answered with 503 and Retry-After when it is full.',
    },
    {
      name: 'Block cache',
      what: 'Pages of blocks, for the sake of later reads',
      used: memory.blockCache,
      limit: memory.blockCacheLimit,
      refusal: null,
    },
  ];
}

/** From this share on, a part that refuses at its limit is near it. */
const NEAR = 0.9;

export function isNear(part: MemoryPart): boolean {
  return part.refusal !== null && part.limit !== null && part.limit > 0 && part.used >= NEAR * part.limit;
}

/** 0 to 1; 0 where there is no limit. */
export function shareOf(used: number, limit: number | null): number {
  return limit === null || limit <= 0 ? 0 : Math.min(1, used / limit);
}

/** What the ingestion chart draws. A gap of several minutes, in which the machine slept, stays one. */
export function rateFrame(rates: StoreStatus['ingestion']['rates']): Frame {
  const times: number[] = [];
  const values: (number | null)[] = [];
  let last: number | null = null;
  for (const { time, samplesPerSecond } of rates) {
    if (last !== null && time - last > GAP) {
      times.push((last + time) / 2000);
      values.push(null);
    }
    times.push(time / 1000);
    values.push(samplesPerSecond);
    last = time;
  }
  return { times, series: [{ key: 'in', query: 'A', name: 'Samples in', labels: {}, values }] };
}

/** Milliseconds. */
const GAP = 180_000;

/** More merges than this mean that compaction is not keeping up. */
export const MANY_MERGES = 50;

type Reason = { word: string; todo: string };

const REASONS: Record<string, Reason> = {
  out_of_order: {
    word: 'Out of order',
    todo: 'Older than the out-of-order window allows. Raise storage.tsdb.out_of_order_time_window, or look for two senders of one series.',
  },
  duplicate_timestamp: {
    word: 'Other value, same time',
    todo: 'Two sources write one series. Give each its own labels.',
  },
  too_old: { word: 'Too old', todo: 'Older than the retention, or than the tenant’s max_sample_age.' },
  too_far_in_future: { word: 'In the future', todo: 'The sender’s clock is ahead. Check its time synchronisation.' },
  invalid_labels: {
    word: 'Labels not valid',
    todo: 'Empty or repeated label names, or no metric name. Fix the sender.',
  },
  invalid_histogram: { word: 'Histogram not valid', todo: 'Buckets and count disagree. Update the client library.' },
  unknown_series: {
    word: 'Unknown series',
    todo: 'A message names a series that it does not describe. Fix the sender.',
  },
  series_limit: {
    word: 'Too many series',
    todo: 'The tenant is at limits.max_series. Look at Cardinality for what makes them.',
  },
  too_many_labels: { word: 'Too many labels', todo: 'More than limits.max_label_names_per_series.' },
  label_name_too_long: { word: 'Label name too long', todo: 'Longer than limits.max_label_name_length.' },
  over_memory: {
    word: 'Memory is full',
    todo: 'The head has no room left. Senders repeat these. Raise --memory, or look at Cardinality for what can go.',
  },
  log_is_full: {
    word: 'Log is full',
    todo: 'The disk took no more, so nothing could be made durable. Senders repeat these. Make room on the disk.',
  },
  label_value_too_long: { word: 'Label value too long', todo: 'Longer than limits.max_label_value_length.' },
};

export type Rejected = Reason & { reason: string; samples: number };

/** Reasons that occurred, the most frequent first. */
export function rejectedRows(rejected: Record<string, number>): Rejected[] {
  return Object.entries(rejected)
    .filter(([, samples]) => samples > 0)
    .map(([reason, samples]) => ({
      reason,
      samples,
      ...(REASONS[reason] ?? { word: reason.replaceAll('_', ' '), todo: '' }),
    }))
    .sort((a, b) => b.samples - a.samples);
}

export function resolutionText(block: Pick<BlockInfo, 'resolutionMs'>): string {
  return block.resolutionMs === 0 ? 'Raw' : formatDuration(block.resolutionMs / 1000);
}

/** Keeps blocks where every word occurs in the file's name, tenant, level or resolution. */
export function filterBlocks(blocks: readonly BlockInfo[], text: string): BlockInfo[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...blocks];
  return blocks.filter((block) => {
    const all = `${block.file} ${block.tenant} level ${block.level} level=${block.level} ${resolutionText(block)}`;
    return words.every((word) => all.toLowerCase().includes(word));
  });
}

/** Adds an equality to a selector of any form: text goes in before its last brace. */
export function narrow(selector: string, name: string, value: string): string {
  const trimmed = selector.trim();
  const alone = formatLabels({ [name]: value });
  if (trimmed === '') return alone;
  const matcher = name === '__name__' ? `__name__=${JSON.stringify(value)}` : alone.slice(1, -1);
  if (!trimmed.endsWith('}')) return `${trimmed}{${matcher}}`;
  const inside = trimmed.slice(0, -1).trimEnd().replace(/,$/, '');
  return `${inside}${inside.endsWith('{') ? '' : ', '}${matcher}}`;
}

/** `name=value` as the server writes a label pair; names hold no `=` unless they are quoted UTF-8. */
export function splitPair(pair: string): [name: string, value: string] {
  const at = pair.indexOf('=');
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return '–';
  const share = (100 * part) / whole;
  if (share > 0 && share < 0.1) return '<0.1%';
  return `${Number(share.toFixed(share < 10 ? 1 : 0))}%`;
}
