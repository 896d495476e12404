// The state of the page of logs and its form in the URL: `?q={app="x"}&cols=status,_line&limit=500&open=...`.
import type { Direction } from '../api/loki';
import { ALL_VISIBLE, type Visibility } from '../series/visible';
import type { Language } from './kql';

export type Search = Record<string, string>;
export type Tab = 'lines' | 'patterns';
export type LogsState = {
  /** undefined: nobody has asked anything yet. */
  query: string | undefined;
  /** What the query is written in. */
  lang: Language;
  tab: Tab;
  limit: number;
  direction: Direction;
  wrap: boolean;
  /** Lines are shown as they came, not folded. */
  raw: boolean;
  live: boolean;
  /** Fields side by side; `LINE` stands for the line itself. */
  columns: string[];
  /** Keys of the lines that are unfolded. */
  open: string[];
  /** The field whose values are shown. */
  field: string;
  /** Key of the line whose neighbours are shown. */
  around: string;
  /** Of a query that is drawn. */
  visible: Visibility;
};

export const LINE = '_line';
export const LIMITS = [100, 500, 1000, 5000, 20_000, 100_000] as const;
export const DEFAULT_LIMIT = 500;
/** The page keeps no more lines than this. */
export const MOST_LINES = 100_000;

/** Never fails: what a URL says wrongly or not at all takes its default. */
export function readLogs(search: Search): LogsState {
  const limit = Number(search.limit);
  const columns = (search.cols ?? '').split(',').filter(Boolean);
  const mode = search.only !== undefined ? 'only' : 'hide';
  const keys = (search[mode] ?? '').split('.').filter(Boolean);
  return {
    query: search.q,
    lang: search.lang === 'kql' ? 'kql' : 'logql',
    tab: search.tab === 'patterns' ? 'patterns' : 'lines',
    limit: Number.isInteger(limit) && limit > 0 ? Math.min(limit, MOST_LINES) : DEFAULT_LIMIT,
    direction: search.dir === 'forward' ? 'forward' : 'backward',
    wrap: search.wrap === '1',
    raw: search.raw === '1',
    live: search.live === '1',
    columns: columns.length > 0 ? [...new Set(columns)] : [LINE],
    open: (search.open ?? '').split(',').filter(Boolean),
    field: search.field ?? '',
    around: search.around ?? '',
    visible: keys.length > 0 ? { mode, keys } : ALL_VISIBLE,
  };
}

const OWN_KEYS = [
  'q',
  'lang',
  'tab',
  'limit',
  'dir',
  'wrap',
  'raw',
  'live',
  'cols',
  'open',
  'field',
  'around',
  'hide',
  'only',
];

/** The search parameters of a state; those of the shell (`from`, `to`, ...) are kept from `base`. */
export function writeLogs(state: LogsState, base: Search): Search {
  const out: Search = {};
  if (state.query !== undefined) out.q = state.query;
  if (state.lang !== 'logql') out.lang = state.lang;
  if (state.tab !== 'lines') out.tab = state.tab;
  if (state.limit !== DEFAULT_LIMIT) out.limit = String(state.limit);
  if (state.direction !== 'backward') out.dir = state.direction;
  if (state.wrap) out.wrap = '1';
  if (state.raw) out.raw = '1';
  if (state.live) out.live = '1';
  if (state.columns.join() !== LINE) out.cols = state.columns.join(',');
  if (state.open.length > 0) out.open = state.open.join(',');
  if (state.field) out.field = state.field;
  if (state.around) out.around = state.around;
  if (state.visible.keys.length > 0) out[state.visible.mode] = state.visible.keys.join('.');
  for (const [key, value] of Object.entries(base)) if (!OWN_KEYS.includes(key)) out[key] = value;
  return out;
}

/** Milliseconds. */
const BEFORE_LINE = 30 * 60_000;

/** The address of one line: the same search, ending with it, so that it is found however much is written later. */
export function lineAddress(search: Search, line: { key: string; ms: number }): Search {
  const state = { ...readLogs(search), direction: 'backward' as const, live: false, open: [line.key], around: '' };
  const at = { from: String(line.ms - BEFORE_LINE), to: String(line.ms + 1) };
  return writeLogs(state, { ...search, ...at });
}

/** A new column stands before the line, as one reads; the line alone comes back when nothing is left. */
export function toggleColumn(columns: readonly string[], name: string): string[] {
  if (columns.includes(name)) {
    const left = columns.filter((c) => c !== name);
    return left.length > 0 ? left : [LINE];
  }
  const at = columns.indexOf(LINE);
  if (at < 0) return [...columns, name];
  return [...columns.slice(0, at), name, ...columns.slice(at)];
}

export function moveColumn(columns: readonly string[], name: string, by: -1 | 1): string[] {
  const from = columns.indexOf(name);
  const to = from + by;
  if (from < 0 || to < 0 || to >= columns.length) return [...columns];
  const out = columns.filter((c) => c !== name);
  out.splice(to, 0, name);
  return out;
}
