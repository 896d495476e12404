// Guesses the unit of a PromQL result from the naming rules of Prometheus: base units as suffix, `_total` for counters.
import type { Unit } from './format';

const PER_SECOND = /\b(rate|irate|deriv)\s*\(/;
const COUNTING =
  /\b(count|count_values|count_over_time|group|absent|absent_over_time|changes|resets|scalar|time|timestamp)\b/;
const KEYWORDS = new Set(
  'by without on ignoring group_left group_right bool and or unless offset atan2 start end inf nan'.split(' '),
);

/** Names used as metrics: identifiers outside braces, brackets, strings and grouping clauses, not called as functions. */
export function metricNames(expr: string): string[] {
  const bare = expr
    .replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`/g, '""')
    .replace(/#.*/g, '')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/gi, ' ')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, ' ');
  const names = new Set<string>();
  for (const match of bare.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*/g)) {
    const name = match[0];
    const called = /^\s*\(/.test(bare.slice(match.index + name.length));
    const number = /[0-9.]/.test(bare[match.index - 1] ?? '');
    const aggregation = /^\s*$/.test(bare.slice(match.index + name.length)) ? false : AGGREGATIONS.has(name);
    if (!called && !number && !aggregation && !KEYWORDS.has(name.toLowerCase())) names.add(name);
  }
  return [...names];
}

const AGGREGATIONS = new Set(
  'sum avg min max count stddev stdvar group topk bottomk quantile count_values limitk limit_ratio'.split(' '),
);

function nameUnit(name: string): Unit | null {
  const base = name.replace(/_(total|sum|bucket|created)$/, '');
  if (/_count$/.test(name)) return 'short';
  if (/_bytes$/i.test(base)) return 'bytes';
  if (/_seconds$/.test(base)) return /_(time|timestamp)_seconds$/.test(base) ? null : 'seconds';
  if (/_ratio$/.test(base)) return 'ratio';
  if (/_percent$/.test(base)) return 'percent';
  if (/_celsius$/.test(base)) return 'celsius';
  if (/_hertz$/.test(base)) return 'hertz';
  return null;
}

/** The unit that the result of `expr` most likely has; `short` where nothing speaks for another. */
export function inferUnit(expr: string): Unit {
  const names = metricNames(expr);
  const units = new Set(names.map(nameUnit));
  const [unit] = units;
  if (units.size !== 1 || COUNTING.test(expr)) return 'short';
  const stripped = expr.replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, '');
  if (/\*\s*100\b|\b100\s*\*/.test(stripped)) return 'percent';
  if (stripped.includes('/')) return names.length > 1 && unit === nameUnit(names[0] ?? '') && unit ? 'ratio' : 'short';
  if (/histogram_quantile|histogram_avg/.test(expr)) return unit ?? 'short';
  if (PER_SECOND.test(expr)) {
    if (unit === 'bytes') return 'bytesPerSecond';
    return unit === 'seconds' ? 'short' : 'perSecond';
  }
  return unit ?? 'short';
}

/** Rates and counts are read against zero; a gauge may use the whole height. */
export function startsAtZero(expr: string): boolean {
  return PER_SECOND.test(expr) || /\b(increase|count|count_over_time|changes|resets)\b/.test(expr);
}
