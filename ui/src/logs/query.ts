// Reading and changing a LogQL query as text: what a click adds or takes away leaves the rest as it was typed.
import { searchWords } from './words';

export type MatchOp = '=' | '!=' | '=~' | '!~';
export type Part = {
  /** Where the part stands in the query. */
  start: number;
  end: number;
  kind: 'matcher' | 'line' | 'label' | 'parser' | 'search' | 'other';
  /** As typed, without the pipe. */
  text: string;
  name?: string;
  op?: string;
  value?: string;
};
export type LogQuery = {
  expr: string;
  /** Of the first selector, braces included. */
  selector: { start: number; end: number };
  matchers: Part[];
  stages: Part[];
  /** Where another stage would be written. */
  pipelineEnd: number;
  /** The query counts or computes; it does not list lines. */
  metric: boolean;
};

const PARSERS = ['json', 'logfmt', 'pattern', 'regexp', 'unpack'];
const STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"|`[^`]*`';
const MATCHER = new RegExp(`([A-Za-z_][\\w.]*)\\s*(=~|!~|!=|=)\\s*(${STRING})`, 'gs');
const LABEL_FILTER = new RegExp(`^([A-Za-z_][\\w.]*)\\s*(=~|!~|==|!=|>=|<=|=|>|<)\\s*(${STRING}|[\\w.+-]+)$`, 's');
const LINE_FILTER = new RegExp(`^(\\|[=~>]|![=~>])\\s*(${STRING})$`, 's');
const SEARCH = new RegExp(`^kql\\s*(${STRING})$`, 's');
const LINE_OPS = ['|=', '|~', '|>', '!=', '!~', '!>'];

/** A string as LogQL reads it: JSON's escapes are a part of Go's. */
export const quote = (value: string) => JSON.stringify(value);

export function unquote(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text.slice(1, -1);
  }
}

/** The end of the string or comment that begins at `at`; `at` itself where none does. */
function skip(text: string, at: number): number {
  const sign = text[at];
  if (sign === '#') {
    const end = text.indexOf('\n', at);
    return end < 0 ? text.length : end + 1;
  }
  if (sign !== '"' && sign !== '`') return at;
  for (let i = at + 1; i < text.length; i++) {
    if (sign === '"' && text[i] === '\\') i++;
    else if (text[i] === sign) return i + 1;
  }
  return text.length;
}

/** The first place from `from` on, outside strings and comments, where `wanted` says yes; the length where nowhere. */
function find(text: string, from: number, wanted: (at: number) => boolean): number {
  let at = from;
  while (at < text.length) {
    const next = skip(text, at);
    if (next > at) at = next;
    else if (wanted(at)) return at;
    else at++;
  }
  return text.length;
}

/** A stage goes no further than the comment behind it. */
function beforeComment(text: string): string {
  for (let at = 0; at < text.length; ) {
    if (text[at] === '#') return text.slice(0, at);
    at = Math.max(at + 1, skip(text, at));
  }
  return text;
}

function stageOf(expr: string, start: number, end: number): Part {
  const text = beforeComment(expr.slice(start, end)).trimEnd();
  const base = { start, end: start + text.length };
  const line = LINE_FILTER.exec(text);
  if (line) return { ...base, kind: 'line', text, op: line[1] ?? '', value: unquote(line[2] ?? '') };
  if (LINE_OPS.some((op) => text.startsWith(op))) return { ...base, kind: 'line', text };
  const inner = text.replace(/^\|\s*/, '');
  const word = /^\w+/.exec(inner)?.[0] ?? '';
  if (PARSERS.includes(word) && !/^\w+\s*(=|!|>|<)/.test(inner)) {
    return { ...base, kind: 'parser', text: inner, name: word };
  }
  const search = SEARCH.exec(inner);
  if (search) return { ...base, kind: 'search', text: inner, name: 'kql', value: unquote(search[1] ?? '') };
  const filter = LABEL_FILTER.exec(inner);
  if (!filter) return { ...base, kind: 'other', text: inner };
  const [, name = '', op = '', value = ''] = filter;
  return { ...base, kind: 'label', text: inner, name, op, value: unquote(value) };
}

function readStages(expr: string, from: number): { stages: Part[]; end: number } {
  const stages: Part[] = [];
  const isLineOp = (at: number) => LINE_OPS.includes(expr.slice(at, at + 2));
  const ends = (at: number) => expr[at] === '[' || expr[at] === ')' || expr[at] === ']';
  let at = find(expr, from, (i) => !/\s/.test(expr[i] ?? ''));
  while (at < expr.length && (expr[at] === '|' || isLineOp(at))) {
    const line = isLineOp(at);
    const bare = line || PARSERS.some((p) => new RegExp(`^\\|\\s*${p}\\b`).test(expr.slice(at, at + 20)));
    let depth = 0;
    const stop = find(expr, at + (line ? 2 : 1), (i) => {
      if (expr[i] === '(') depth++;
      if (expr[i] === ')' && depth > 0) {
        depth--;
        return false;
      }
      return expr[i] === '|' || ends(i) || (bare && isLineOp(i));
    });
    const stage = stageOf(expr, at, stop);
    stages.push(stage);
    at = stop;
    if (ends(at)) break;
  }
  return { stages, end: stages.at(-1)?.end ?? from };
}

/** null where there is no whole selector to hold on to. */
export function parseQuery(expr: string): LogQuery | null {
  const open = find(expr, 0, (i) => expr[i] === '{');
  const close = find(expr, open + 1, (i) => expr[i] === '}');
  if (close >= expr.length) return null;
  const inside = expr.slice(open + 1, close);
  const matchers = [...inside.matchAll(MATCHER)].map((m): Part => {
    const start = open + 1 + m.index;
    const [text, name = '', op = '', value = ''] = m;
    return { kind: 'matcher', start, end: start + text.length, text, name, op, value: unquote(value) };
  });
  const { stages, end } = readStages(expr, close + 1);
  const plain = expr.slice(0, open).replace(/#[^\n]*\n/g, '');
  const bracket = find(expr, close, (i) => expr[i] === '[') < expr.length;
  return {
    expr,
    selector: { start: open, end: close + 1 },
    matchers,
    stages,
    pipelineEnd: end,
    metric: bracket || /[a-z]/i.test(plain),
  };
}

/** The first selector alone, for questions about streams. */
export function selectorOf(expr: string): string {
  const query = parseQuery(expr);
  return query ? expr.slice(query.selector.start, query.selector.end) : '';
}

/** Where a field comes from decides how it is asked for. */
export type FieldSource = 'label' | 'metadata' | 'json' | 'logfmt';
export type FieldFilter = { name: string; value: string; source: FieldSource };

const replace = (expr: string, start: number, end: number, text: string) =>
  expr.slice(0, start) + text + expr.slice(end);

function insertStage(query: LogQuery, stage: string): string {
  return replace(query.expr, query.pipelineEnd, query.pipelineEnd, ` ${stage}`);
}

function addMatcher(query: LogQuery, name: string, op: '=' | '!=', value: string): string {
  const text = `${name}${op}${quote(value)}`;
  const same = query.matchers.find((m) => m.name === name && m.value === value && (m.op === '=' || m.op === '!='));
  if (same) return replace(query.expr, same.start, same.end, text);
  // `name=~".+"` only says that there is one, and another `name="x"` would leave nothing.
  const old = op === '=' && query.matchers.find((m) => m.name === name && (m.op === '=' || m.op === '=~'));
  if (old) return replace(query.expr, old.start, old.end, text);
  const last = query.matchers.at(-1);
  const at = last?.end ?? query.selector.start + 1;
  return replace(query.expr, at, at, last ? `, ${text}` : text);
}

/** The stages that make a field known: its parser, unless the query has it already. */
function withParser(query: LogQuery, source: FieldSource): string {
  if (source !== 'json' && source !== 'logfmt') return query.expr;
  if (query.stages.some((s) => s.kind === 'parser' && s.name === source)) return query.expr;
  return insertStage(query, `| ${source}`);
}

/** Keeps (`=`) or leaves out (`!=`) what has this value; turns the opposite filter round where there is one. */
export function addFilter(expr: string, filter: FieldFilter, op: '=' | '!='): string {
  const query = parseQuery(expr);
  if (!query) return expr;
  const { name, value, source } = filter;
  if (source === 'label') return addMatcher(query, name, op, value);
  const text = `| ${name}${op}${quote(value)}`;
  const isOpposite = (s: Part) => s.kind === 'label' && s.name === name && s.value === value;
  const same = query.stages.find((s) => isOpposite(s) && (s.op === '=' || s.op === '!='));
  if (same) return replace(expr, same.start, same.end, text);
  const parsed = parseQuery(withParser(query, source));
  return parsed ? insertStage(parsed, text) : expr;
}

/** Keeps what has one of these values of a metadata field. */
export function addAnyOf(expr: string, name: string, values: readonly string[]): string {
  const [only = ''] = values;
  if (values.length < 2) return addFilter(expr, { name, value: only, source: 'metadata' }, '=');
  const query = parseQuery(expr);
  const escaped = values.map((v) => v.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return query ? insertStage(query, `| ${name}=~${quote(escaped.join('|'))}`) : expr;
}

/** A line filter with LogQL's own operator: `|=`, `!=`, `|>`, `!>`. */
export function addLineFilter(expr: string, op: string, value: string): string {
  const query = parseQuery(expr);
  return query ? insertStage(query, `${op} ${value.includes('`') ? quote(value) : `\`${value}\``}`) : expr;
}

export function removePart(expr: string, part: Part): string {
  const query = parseQuery(expr);
  if (!query) return expr;
  if (part.kind !== 'matcher') {
    const before = expr.slice(0, part.start).replace(/[ \t]+$/, '');
    return before + expr.slice(part.end);
  }
  const others = query.matchers.filter((m) => m.start !== part.start);
  // Loki wants one matcher that says what to look for.
  if (!others.some((m) => m.op === '=' || m.op === '=~')) {
    return replace(expr, part.start, part.end, `${part.name}=~".+"`);
  }
  return replace(
    expr,
    query.selector.start,
    query.selector.end,
    `{${others.map((m) => expr.slice(m.start, m.end)).join(', ')}}`,
  );
}

const OPPOSITE: Record<string, string> = {
  '=': '!=',
  '!=': '=',
  '==': '!=',
  '=~': '!~',
  '!~': '=~',
  '>': '<=',
  '<=': '>',
  '<': '>=',
  '>=': '<',
};
const LINE_OPPOSITE: Record<string, string> = {
  '|=': '!=',
  '!=': '|=',
  '|~': '!~',
  '!~': '|~',
  '|>': '!>',
  '!>': '|>',
};

/** The same part, turned round; null where that has no simple form. */
export function negatePart(expr: string, part: Part): string | null {
  const op = part.op && (part.kind === 'line' ? LINE_OPPOSITE : OPPOSITE)[part.op];
  if (!op || !part.op) return null;
  const at = expr.indexOf(part.op, part.kind === 'line' ? part.start : part.start + (part.name ?? '').length);
  return at < 0 || at >= part.end ? null : replace(expr, at, at + part.op.length, op);
}

/** Words that lines must contain, to be marked in them. */
export function wordsToMark(expr: string): string[] {
  const stages = parseQuery(expr)?.stages ?? [];
  return stages.flatMap((s) => {
    if (s.kind === 'search') return searchWords(s.value ?? '');
    return s.kind === 'line' && s.op === '|=' && s.value ? [s.value] : [];
  });
}

/** Lines by level; a parser's failure is no reason not to count a line. `step` in seconds. */
export function levelQuery(expr: string, step: number): string {
  return `sum by (detected_level) (count_over_time(${counted(expr)}[${step}s]))`;
}

export function totalQuery(expr: string, milliseconds: number): string {
  return `sum(count_over_time(${counted(expr)}[${milliseconds}ms]))`;
}

export function topQuery(expr: string, field: { name: string; source: FieldSource }, n: number, ms: number): string {
  const query = parseQuery(expr);
  const parsed = query ? withParser(query, field.source) : expr;
  const known = parseQuery(parsed);
  const present = field.source !== 'label' && known ? insertStage(known, `| ${field.name}!=""`) : parsed;
  return `topk(${n}, sum by (${field.name}) (count_over_time(${counted(present)}[${ms}ms])))`;
}

function counted(expr: string): string {
  const query = parseQuery(expr);
  const parses = query?.stages.some((s) => s.kind === 'parser' || s.kind === 'label' || s.kind === 'other');
  const text = query && parses ? insertStage(query, '| drop __error__, __error_details__') : expr;
  return `${text.trimEnd()}${text.includes('#') ? '\n' : ' '}`;
}
