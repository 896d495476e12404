// Label sets: their text, their identity, and names made from a legend format.
import type { Labels } from '../api/prometheus';

const escapeValue = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
const LEGACY_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const LEGACY_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

const labelName = (name: string) => (LEGACY_NAME.test(name) ? name : `"${escapeValue(name)}"`);

/** `a="b"`, or with another sign between. */
export const labelPair = (name: string, value: string, op = '='): string =>
  `${labelName(name)}${op}"${escapeValue(value)}"`;

/** `name{a="b"}` as PromQL reads it, labels sorted; a UTF-8 metric name stands quoted inside the braces. */
export function formatLabels(labels: Labels): string {
  const metric = labels.__name__ ?? '';
  const legacy = LEGACY_METRIC.test(metric);
  const pairs = Object.keys(labels)
    .filter((name) => name !== '__name__')
    .sort()
    .map((name) => labelPair(name, labels[name] ?? ''));
  if (metric && !legacy) pairs.unshift(`"${escapeValue(metric)}"`);
  const head = legacy ? metric : '';
  return pairs.length > 0 || head === '' ? `${head}{${pairs.join(', ')}}` : head;
}

/** 32-bit FNV-1a. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function identity(labels: Labels, withName: boolean): string {
  const names = Object.keys(labels).filter((name) => withName || name !== '__name__');
  return names
    .sort()
    .map((name) => `${name}\u0001${labels[name]}`)
    .join('\u0002');
}

/** Short identity of a series within a page, fit for a URL. */
export function seriesKey(query: string, labels: Labels): string {
  return query + hashText(identity(labels, true)).toString(36);
}

/** What decides a series' colour: its labels without the metric name, so that a service looks the same in every panel. */
export function colourSeed(labels: Labels): number {
  const own = identity(labels, false);
  return hashText(own === '' ? (labels.__name__ ?? '') : own);
}

/** Fills `{{label}}` as Grafana does; an empty format gives the label set. */
export function legendName(format: string, labels: Labels, fallback: string): string {
  if (format.trim() === '') {
    const text = formatLabels(labels);
    return text === '{}' ? fallback : text;
  }
  return format.replace(/\{\{\s*([^}]+?)\s*\}\}/g, (_, name: string) => labels[name] ?? '');
}

/**
 * Names for the series of one query: labels that all share say nothing, so only those that differ are kept, unless there
 * is one series alone.
 */
export function shortNames(sets: readonly Labels[]): string[] {
  if (sets.length < 2) return sets.map((labels) => formatLabels(labels));
  const names = new Set(sets.flatMap((labels) => Object.keys(labels)));
  const differing = [...names].filter((name) => new Set(sets.map((labels) => labels[name])).size > 1).sort();
  return sets.map((labels) => {
    const shown = differing.filter((name) => labels[name] !== undefined);
    if (shown.length === 0) return formatLabels(labels);
    // A value alone is the best name if it says something: `user`, not `0`.
    const only = differing.length === 1 ? labels[shown[0] ?? ''] : undefined;
    if (only && /[a-z]/i.test(only)) return only;
    return formatLabels(Object.fromEntries(shown.map((name) => [name, labels[name] ?? ''])));
  });
}
