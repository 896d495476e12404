// Conditions on labels as Alertmanager writes them, `{job="db", instance=~"db-.*"}`: in addresses, in fields, in silences.
import type { Matcher } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import { labelPair } from '../series/labels';

export type Op = '=' | '!=' | '=~' | '!~';
export const OPS: readonly Op[] = ['=', '!=', '=~', '!~'];
export const OP_WORD: Record<Op, string> = {
  '=': 'is',
  '!=': 'is not',
  '=~': 'matches',
  '!~': 'does not match',
};

export const opOf = ({ isEqual, isRegex }: Matcher): Op => (isEqual ? (isRegex ? '=~' : '=') : isRegex ? '!~' : '!=');

export const withOp = (matcher: Matcher, op: Op): Matcher => ({
  ...matcher,
  isRegex: op.endsWith('~'),
  isEqual: op.startsWith('='),
});

const MATCHER = /\s*("(?:\\.|[^"\\])*"|[^\s,{}="!~]+)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*"|[^\s,{}"]*)\s*(?:,|$)/y;

/** Go writes what this reads, for the escapes that `labelPair` makes. */
const unquote = (text: string): string =>
  text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign)) : text;

/** Null where any of it is no condition, so that nothing is silenced by a text that was half understood. */
export function parseMatchers(text: string): Matcher[] | null {
  const inner = text.trim().replace(/^\{([\s\S]*)\}$/, '$1');
  const body = inner.trim().replace(/,$/, '');
  if (body.trim() === '') return [];
  const out: Matcher[] = [];
  MATCHER.lastIndex = 0;
  while (MATCHER.lastIndex < body.length) {
    const found = MATCHER.exec(body);
    if (!found) return null;
    const [, name = '', op = '=', value = ''] = found;
    out.push(withOp({ name: unquote(name), value: unquote(value), isRegex: false, isEqual: true }, op as Op));
  }
  return out;
}

export const matcherText = (matcher: Matcher): string => labelPair(matcher.name, matcher.value, opOf(matcher));

export const matchersText = (matchers: readonly Matcher[]): string => `{${matchers.map(matcherText).join(', ')}}`;

/** What stands in a pattern for itself alone. */
const escapePattern = (text: string): string => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');

/** Those that say what labels are, exactly. */
export const exactly = (labels: Labels): Matcher[] =>
  Object.entries(labels)
    .sort(([a], [b]) => (a === 'alertname' ? -1 : b === 'alertname' ? 1 : a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));

/** One that is true for any of these values. */
export const anyOf = (name: string, values: readonly string[]): Matcher =>
  values.length === 1
    ? { name, value: values[0] ?? '', isRegex: false, isEqual: true }
    : { name, value: values.map(escapePattern).join('|'), isRegex: true, isEqual: true };
