// What a line holds: JSON or logfmt taken apart as Loki's parsers do, and a folded form that reads like a sentence.

/** A number keeps the digits it was written with: ids are longer than a double is exact. */
export class Digits {
  constructor(readonly text: string) {}
}
export type Json = string | number | boolean | null | Digits | Json[] | { [name: string]: Json };
export type Body =
  | { kind: 'json'; value: { [name: string]: Json } }
  | { kind: 'logfmt'; pairs: [string, string][] }
  | { kind: 'text' };
export type Field = [name: string, value: string];

/** Longer lines are not taken apart on the way to the screen. */
const LONGEST = 256 * 1024;
const PAIR = /(?:^|\s)([^\s="]+)=("[^"\\]*(?:\\.[^"\\]*)*"|[^\s"]*)/g;
/** A text is logfmt if it begins with a pair and has another one: `a=b` in a sentence is not. */
const IS_LOGFMT = /^\s*[\w.@/-]+=("[^"\\]*(?:\\.[^"\\]*)*"|[^\s"]*)\s+[\w.@/-]+=/;

const MARK = '\u0001#';
/** A string, or a number; strings come first so that digits in them stay theirs. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** Only such numbers can lose something. */
const INEXACT = /\d{16,}|\d\.\d|\de/i;

/** JSON whose numbers keep their digits. */
function parseJson(text: string): { [name: string]: Json } {
  if (!INEXACT.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKEN, (token) =>
    !NUMBER.test(token) || String(Number(token)) === token ? token : JSON.stringify(MARK + token),
  );
  return JSON.parse(marked, (_key, value) =>
    typeof value === 'string' && value.startsWith(MARK) ? new Digits(value.slice(MARK.length)) : value,
  );
}

export function parseBody(line: string): Body {
  if (line.length > LONGEST) return { kind: 'text' };
  if (/^\s*\{/.test(line)) {
    try {
      return { kind: 'json', value: parseJson(line) };
    } catch {
      return { kind: 'text' };
    }
  }
  if (!IS_LOGFMT.test(line)) return { kind: 'text' };
  const pairs = [...line.matchAll(PAIR)].map(([, name = '', value = '']): [string, string] => [name, bare(value)]);
  return { kind: 'logfmt', pairs };
}

function bare(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return JSON.parse(value) as string;
  } catch {
    return value.slice(1, -1);
  }
}

/** A name as Loki's parsers make it: letters, digits and `_`, no digit first. */
export function sanitise(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9_]/g, '_');
  return /^\d/.test(clean) ? `_${clean}` : clean;
}

const isObject = (value: Json): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Digits);

export function scalarText(value: Json): string {
  if (value instanceof Digits) return value.text;
  if (typeof value === 'string') return value;
  return value === null ? 'null' : String(value);
}

/** Nested names are joined by `_`; lists and nulls have no value, as in Loki's `json` stage. */
export function flatten(value: { [name: string]: Json }, prefix = ''): Field[] {
  return Object.entries(value).flatMap(([name, inner]): Field[] => {
    const full = prefix ? `${prefix}_${sanitise(name).replace(/^_(?=\d)/, '')}` : sanitise(name);
    if (isObject(inner)) return flatten(inner, full);
    if (Array.isArray(inner) || inner === null) return [];
    return [[full, scalarText(inner)]];
  });
}

export function bodyFields(body: Body): Field[] {
  if (body.kind === 'json') return flatten(body.value);
  if (body.kind === 'logfmt') return body.pairs.map(([name, value]): Field => [sanitise(name), value]);
  return [];
}

const MESSAGES = ['message', 'msg', '@message', 'log', 'event', 'error', 'err'];
/** Said by other columns of the list. */
const ELSEWHERE = /^(@?timestamp|time|ts|level|lvl|severity|detected_level)$/i;
/** A row shows no more than this; the rest unfolds. */
const FOLDED_FIELDS = 24;

export type Folded = { message: string; fields: Field[] };

/** The message first, then the rest as `name=value`; null where the line has no parts. */
export function fold(body: Body): Folded | null {
  const entries: Field[] =
    body.kind === 'json'
      ? Object.entries(body.value).map(([name, value]): Field => [name, shortText(value)])
      : body.kind === 'logfmt'
        ? body.pairs
        : [];
  if (entries.length === 0) return null;
  const name = MESSAGES.find((m) => entries.some(([n, v]) => n === m && v !== ''));
  const message = entries.find(([n]) => n === name)?.[1] ?? '';
  const fields = entries.filter(([n]) => n !== name && !ELSEWHERE.test(n)).slice(0, FOLDED_FIELDS);
  return { message, fields };
}

function shortText(value: Json): string {
  return typeof value === 'object' && value !== null && !(value instanceof Digits)
    ? JSON.stringify(value, digitsOut)
    : scalarText(value);
}

/** Digits in nested values print as the number they are, as exactly as JSON.stringify allows. */
function digitsOut(_key: string, value: unknown): unknown {
  return value instanceof Digits ? Number(value.text) : value;
}
