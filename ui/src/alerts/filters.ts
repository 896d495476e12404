// Filters by label, as the address holds them: `{severity="critical", job!="batch"}`, which is also how a silence names alerts.
import type { Labels } from '../api/prometheus';
import { labelPair } from '../series/labels';

export type LabelFilter = { name: string; op: '=' | '!='; value: string };

const PAIR = /("(?:\\.|[^"\\])*"|[^\s,{}="!]+)\s*(!?=)\s*("(?:\\.|[^"\\])*")/g;

/** Go writes what JSON reads, for the escapes that `labelPair` makes. */
function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
}

/** Never fails: what is not a pair is left out. */
export function readFilters(text: string | undefined): LabelFilter[] {
  return [...(text ?? '').matchAll(PAIR)].map(([, name = '', op, value = '']) => ({
    name: name.startsWith('"') ? unquote(name) : name,
    op: op === '!=' ? '!=' : '=',
    value: unquote(value),
  }));
}

export const filterText = (filter: LabelFilter): string => labelPair(filter.name, filter.value, filter.op);

export function writeFilters(filters: readonly LabelFilter[]): string | undefined {
  return filters.length > 0 ? `{${filters.map(filterText).join(', ')}}` : undefined;
}

const same = (a: LabelFilter, b: LabelFilter) => a.name === b.name && a.op === b.op && a.value === b.value;

/** A label has one value, so a new `=` takes the place of an old one. */
export function addFilter(filters: readonly LabelFilter[], filter: LabelFilter): LabelFilter[] {
  const kept = filters.filter(
    (f) => !(filter.op === '=' && f.op === '=' && f.name === filter.name) && !same(f, filter),
  );
  return [...kept, filter];
}

export const removeFilter = (filters: readonly LabelFilter[], filter: LabelFilter): LabelFilter[] =>
  filters.filter((f) => !same(f, filter));

export const fits = (labels: Labels, filters: readonly LabelFilter[]): boolean =>
  filters.every((f) => ((labels[f.name] ?? '') === f.value) === (f.op === '='));
