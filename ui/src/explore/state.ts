// The state of the Explore page and its form in the URL: `?A=up&A.legend={{job}}&B=...&tab=table&only=Ak3x`.
import { ALL_VISIBLE, type Visibility } from '../series/visible';
import { UNITS, type Unit } from '../units/format';

export type Search = Record<string, string>;
export type ResultKind = 'auto' | 'range' | 'instant';
export type Query = { id: string; expr: string; legend: string; step: string; kind: ResultKind; off: boolean };
export type DrawStyle = 'lines' | 'stacked' | 'points';
export type ExploreState = {
  queries: Query[];
  tab: 'graph' | 'table';
  style: DrawStyle;
  unit: Unit | 'auto';
  visible: Visibility;
};

export const QUERY_IDS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('');

export function newQuery(id: string, expr = ''): Query {
  return { id, expr, legend: '', step: '', kind: 'auto', off: false };
}

function oneOf<T extends string>(text: string | undefined, allowed: readonly T[], fallback: T): T {
  return allowed.find((a) => a === text) ?? fallback;
}

/** Never fails: what a URL says wrongly or not at all takes its default. There is always one query. */
export function readState(search: Search): ExploreState {
  const queries = QUERY_IDS.filter((id) => search[id] !== undefined).map(
    (id): Query => ({
      id,
      expr: search[id] ?? '',
      legend: search[`${id}.legend`] ?? '',
      step: search[`${id}.step`] ?? '',
      kind: oneOf(search[`${id}.type`], ['range', 'instant'] as const, 'auto' as never) as ResultKind,
      off: search[`${id}.off`] === '1',
    }),
  );
  const mode = search.only !== undefined ? 'only' : 'hide';
  const keys = (search[mode] ?? '').split('.').filter(Boolean);
  return {
    queries: queries.length > 0 ? queries : [newQuery('A')],
    tab: oneOf(search.tab, ['graph', 'table'], 'graph'),
    style: oneOf(search.style, ['lines', 'stacked', 'points'], 'lines'),
    unit: oneOf(search.unit, ['auto', ...(Object.keys(UNITS) as Unit[])], 'auto'),
    visible: keys.length > 0 ? { mode, keys } : ALL_VISIBLE,
  };
}

const OWN_KEYS = /^([A-Z](\.(legend|step|type|off))?|tab|style|unit|hide|only)$/;

/** The search parameters of a state; those that belong to the shell (`from`, `to`, ...) are kept from `base`. */
export function writeState(state: ExploreState, base: Search): Search {
  const out: Search = {};
  for (const q of state.queries) {
    out[q.id] = q.expr;
    if (q.legend) out[`${q.id}.legend`] = q.legend;
    if (q.step) out[`${q.id}.step`] = q.step;
    if (q.kind !== 'auto') out[`${q.id}.type`] = q.kind;
    if (q.off) out[`${q.id}.off`] = '1';
  }
  if (state.tab !== 'graph') out.tab = state.tab;
  if (state.style !== 'lines') out.style = state.style;
  if (state.unit !== 'auto') out.unit = state.unit;
  if (state.visible.keys.length > 0) out[state.visible.mode] = state.visible.keys.join('.');
  for (const [key, value] of Object.entries(base)) if (!OWN_KEYS.test(key)) out[key] = value;
  return out;
}

/** Adds a query behind `after` under the first free letter; unchanged when all letters are taken. */
export function insertQuery(queries: readonly Query[], after: number, template: Omit<Query, 'id'>): Query[] {
  const id = QUERY_IDS.find((letter) => queries.every((q) => q.id !== letter));
  if (!id) return [...queries];
  const out = [...queries];
  out.splice(after + 1, 0, { ...template, id });
  return out;
}

/** The short form for people and scripts, `/explore?expr=up&range=1h`, as ours; null where it is not used. */
export function fromShortLink(search: Search): Search | null {
  const { expr, range, ...rest } = search;
  if (expr === undefined) return null;
  const time: Search = range && /^\d+[smhdwy]$/.test(range) ? { from: `now-${range}`, to: 'now' } : {};
  return writeState({ ...readState({}), queries: [newQuery('A', expr)] }, { ...rest, ...time });
}

/** Prometheus' own links (`/graph?g0.expr=up&g0.tab=1&g0.range_input=1h`) as ours. */
export function fromPrometheusLink(search: Search): Search {
  const state = readState({});
  const panels = QUERY_IDS.filter((_, i) => search[`g${i}.expr`] !== undefined);
  state.queries = panels.map((id, i) => newQuery(id, search[`g${i}.expr`]));
  if (state.queries.length === 0) state.queries = [newQuery('A')];
  if (search['g0.tab'] === '1' || search['g0.tab'] === 'table') state.tab = 'table';
  if (search['g0.stacked'] === '1') state.style = 'stacked';
  const range = search['g0.range_input'];
  const end = Date.parse(`${(search['g0.end_input'] ?? '').replace(' ', 'T')}Z`);
  const base: Search = {};
  if (range && /^\d+[smhdwy]$/.test(range)) {
    base.from = `now-${range}`;
    base.to = 'now';
    if (Number.isFinite(end)) {
      const seconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 }[range.at(-1) ?? 's'] ?? 1;
      base.from = String(end - Number.parseInt(range, 10) * seconds * 1000);
      base.to = String(end);
    }
  }
  return writeState(state, base);
}
