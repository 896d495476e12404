// Searches as Kibana writes them (KQL), and LogQL: the page asks in LogQL, and people write what they like.
import { parseQuery, quote } from './query';

export type Language = 'logql' | 'kql';

/** The query of a search over all streams. */
export const toLogql = (search: string) => `{} | kql ${quote(search.trim() || '*')}`;

const phrase = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;

const field = (name: string, op: string, value: string): string | null => {
  if (op === '=') return `${name}:${phrase(value)}`;
  if (op === '!=') return value === '' ? `${name}:*` : `not ${name}:${phrase(value)}`;
  if (['>', '>=', '<', '<='].includes(op)) return `${name} ${op} ${value}`;
  if (op === '==') return `${name}:${phrase(value)}`;
  // Only what is a list of plain words has a form in KQL.
  if (op !== '=~' && op !== '!~') return null;
  const words = value.split('|').map((word) => word.replace(/\\(.)/g, '$1'));
  const back = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  if (back !== value) return null;
  const list = `${name}:(${words.map(phrase).join(' or ')})`;
  return op === '=~' ? list : `not ${list}`;
};

/** The search that means the same as a LogQL query; null where there is none. */
export function toKql(expr: string): string | null {
  const query = parseQuery(expr);
  if (!query || query.metric) return null;
  const terms: string[] = [];
  for (const { name = '', op = '', value = '' } of query.matchers) {
    // Only says that there is one, as a selector must.
    if (op === '=~' && value === '.+') continue;
    const term = field(name, op, value);
    if (term === null) return null;
    terms.push(term);
  }
  const others = query.matchers.length + query.stages.length > 1;
  for (const stage of query.stages) {
    const value = stage.value ?? '';
    if (stage.kind === 'parser' && /^(json|logfmt)$/.test(stage.text)) continue;
    let term: string | null = null;
    if (stage.kind === 'search') term = others && /\bor\b/i.test(value) ? `(${value})` : value;
    if (stage.kind === 'line' && stage.op === '|=' && stage.value !== undefined) term = phrase(value);
    if (stage.kind === 'line' && stage.op === '!=' && stage.value !== undefined) term = `not ${phrase(value)}`;
    if (stage.kind === 'label') term = field(stage.name ?? '', stage.op ?? '', value);
    if (term === null) return null;
    if (term !== '*' && term !== '') terms.push(term);
  }
  return terms.join(' and ');
}

/** The search of a query that is nothing else. */
export function searchOf(expr: string): string | null {
  const query = parseQuery(expr);
  const [only, more] = query?.stages ?? [];
  return query && !query.metric && query.matchers.length === 0 && only?.kind === 'search' && !more
    ? (only.value ?? '')
    : null;
}

export type KqlProblem = { column: number; message: string };

/** What the server says of a search, and at which character of it. */
export function kqlProblem(message: string): KqlProblem | null {
  const found = /KQL, character (\d+): ([\s\S]*)$/.exec(message);
  return found ? { column: Number(found[1]), message: found[2] ?? '' } : null;
}

export type KqlPlace = { kind: 'field' | 'value'; name: string; from: number };

/** What can be written at the cursor; `before` is the search up to there. */
export function kqlPlace(before: string): KqlPlace | null {
  const value = /([\w.@-]+)\s*:\s*\(?\s*(?:"[^"]*"\s+or\s+)*("?[^\s"():{}]*)$/i.exec(before);
  if (value) return { kind: 'value', name: value[1] ?? '', from: before.length - (value[2] ?? '').length };
  if ((before.match(/(?<!\\)"/g)?.length ?? 0) % 2 === 1) return null;
  const name = /(?:^|[\s({])([\w.@-]*)$/.exec(before);
  return name ? { kind: 'field', name: name[1] ?? '', from: before.length - (name[1] ?? '').length } : null;
}
