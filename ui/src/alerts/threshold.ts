// What an alerting expression compares: the left side is drawn, the number on the right is a line across it.

export type Op = '>' | '>=' | '<' | '<=' | '==' | '!=';
export type Threshold = {
  /** The side that is not the number. */
  expr: string;
  op: Op;
  value: number;
  /** What else must hold, as in `a > 5 and b`; it is not drawn. */
  also: string;
};

type Token = { text: string; start: number; end: number };

const TOKEN =
  /#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[^}"'`])*\}|\[[^\]]*\]|[<>=!]=|[<>()]|[\w.:]+|\S/g;
const OPS = new Set<string>(['>', '>=', '<', '<=', '==', '!=']);
const MIRRORED: Record<Op, Op> = { '>': '<', '>=': '<=', '<': '>', '<=': '>=', '==': '==', '!=': '!=' };

/** Tokens that stand in no parentheses; a pair of them with all that is inside is one token. */
function topLevel(text: string): Token[] {
  const out: Token[] = [];
  let depth = 0;
  for (const match of text.matchAll(TOKEN)) {
    const token = { text: match[0], start: match.index, end: match.index + match[0].length };
    if (token.text.startsWith('#')) continue;
    if (token.text === '(' && depth++ === 0) {
      out.push({ ...token, text: '(...)' });
      continue;
    }
    if (token.text === ')' && --depth === 0) {
      const open = out.at(-1);
      if (open) open.end = token.end;
      continue;
    }
    if (depth === 0) out.push(token);
  }
  return out;
}

/** Takes off parentheses that hold the whole of it. */
function bare(text: string): string {
  const inner = text.trim();
  const [first, second] = topLevel(inner);
  return first && !second && first.text === '(...)' && inner.endsWith(')') ? bare(inner.slice(1, -1)) : inner;
}

const isWord = (token: Token, ...words: string[]) => words.includes(token.text.toLowerCase());

export function splitThreshold(query: string): Threshold | null {
  const text = bare(query);
  const tokens = topLevel(text);
  // `or` binds weakest: with it there are two conditions, and no one line for both.
  if (tokens.some((token) => isWord(token, 'or'))) return null;
  const set = tokens.find((token) => isWord(token, 'and', 'unless'));
  if (set) {
    const first = splitThreshold(text.slice(0, set.start));
    return first && { ...first, also: [text.slice(set.start).trim(), first.also].filter(Boolean).join(' ') };
  }
  const place = tokens.findLastIndex((token) => OPS.has(token.text));
  const op = tokens[place];
  if (!op || (tokens[place + 1] && isWord(tokens[place + 1] as Token, 'bool'))) return null;
  const left = text.slice(0, op.start).trim();
  const right = text.slice(op.end).trim();
  if (left === '' || right === '') return null;
  const value = constant(right);
  if (value !== null && constant(left) === null) return { expr: bare(left), op: op.text as Op, value, also: '' };
  const mirrored = constant(left);
  if (mirrored === null || value !== null) return null;
  return { expr: bare(right), op: MIRRORED[op.text as Op], value: mirrored, also: '' };
}

const NUMBER = /^(?:0x[\da-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i;
const DURATION = /^(?:\d+(?:ms|[smhdwy]))+$/;
const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

function literal(text: string): number | null {
  if (/^[+]?inf$/i.test(text)) return Number.POSITIVE_INFINITY;
  if (NUMBER.test(text)) return Number(text);
  if (!DURATION.test(text)) return null;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhdwy])/g))
    total += Number(count) * (SECONDS[unit ?? ''] ?? 0);
  return total;
}

/** The value of arithmetic on numbers alone, such as `24 * 60 * 60`; null for anything else. */
export function constant(text: string): number | null {
  const tokens = text.match(/(?:\d+\.?\d*|\.\d+)e[+-]?\d+|[\w.]+|[-+*/%^()]|\S/gi) ?? [];
  let at = 0;
  const unary = (): number | null => {
    if (tokens[at] === '-' || tokens[at] === '+') {
      const sign = tokens[at++] === '-' ? -1 : 1;
      const value = unary();
      return value === null ? null : sign * value;
    }
    const base = primary();
    if (base === null || tokens[at] !== '^') return base;
    at++;
    const power = unary();
    return power === null ? null : base ** power;
  };
  const primary = (): number | null => {
    const token = tokens[at++];
    if (token === undefined) return null;
    if (token !== '(') return literal(token);
    const value = sum();
    return tokens[at++] === ')' ? value : null;
  };
  const chain = (next: () => number | null, ops: Record<string, (a: number, b: number) => number>): number | null => {
    let value = next();
    for (let op = ops[tokens[at] ?? '']; op && value !== null; op = ops[tokens[at] ?? '']) {
      at++;
      const other = next();
      value = other === null ? null : op(value, other);
    }
    return value;
  };
  const product = () => chain(unary, { '*': (a, b) => a * b, '/': (a, b) => a / b, '%': (a, b) => a % b });
  const sum = (): number | null => chain(product, { '+': (a, b) => a + b, '-': (a, b) => a - b });
  const value = sum();
  return at === tokens.length ? value : null;
}
