// The bound of an alerting expression is found where there is one, and not where there is none.
import { describe, expect, it } from 'vitest';
import { constant, splitThreshold } from './threshold';

describe('the bound of an expression', () => {
  it.each([
    ['up == 0', 'up', '==', 0],
    ['a / b < 0.1', 'a / b', '<', 0.1],
    ['  (sum by (x) (rate(a[5m])) >= 5e3)  ', 'sum by (x) (rate(a[5m]))', '>=', 5000],
    ['(a + b) > (2 * 60 * 60)', 'a + b', '>', 7200],
    ['100 < a', 'a', '>', 100],
    ['time() - last_run > 2h', 'time() - last_run', '>', 7200],
    ['a{x=~"b > 3"} != -1', 'a{x=~"b > 3"}', '!=', -1],
    ['predict_linear(a[6h], 4 * 3600) < 0', 'predict_linear(a[6h], 4 * 3600)', '<', 0],
    ['a # not > 4\n > 5', 'a # not > 4', '>', 5],
    [
      'sum(rate({app="x"} |= "e > 1" | status >= 500 [5m])) > 10',
      'sum(rate({app="x"} |= "e > 1" | status >= 500 [5m]))',
      '>',
      10,
    ],
    ['sum(rate({app="x"} |~ `} > "` [5m])) > 10', 'sum(rate({app="x"} |~ `} > "` [5m]))', '>', 10],
    ['a{b="and"} > 1', 'a{b="and"}', '>', 1],
  ])('of %s', (query, expr, op, value) => {
    expect(splitThreshold(query)).toEqual({ expr, op, value, also: '' });
  });

  it('comes with what else must hold', () => {
    expect(splitThreshold('(a > 5) and on (x) b == 1')).toEqual({
      expr: 'a',
      op: '>',
      value: 5,
      also: 'and on (x) b == 1',
    });
    expect(splitThreshold('a > 5 unless b')?.also).toBe('unless b');
  });

  it.each(['absent(up)', 'a > b', 'a > bool 5', 'a > 1 or b > 2', '1 > 2', 'a > on (x) b', 'a', '', '(', ')))', '> 5'])(
    'is not made up for %s',
    (query) => {
      expect(splitThreshold(query)).toBeNull();
    },
  );
});

describe('arithmetic on numbers', () => {
  it.each([
    ['24 * 60 * 60', 86_400],
    ['-(2 + 3) * 2', -10],
    ['2 ^ 3 ^ 2', 512],
    ['-2 ^ 2', -4],
    ['1.5e-3', 0.0015],
    ['0x10', 16],
    ['1h30m', 5400],
    ['7 % 4', 3],
    ['Inf', Number.POSITIVE_INFINITY],
  ])('%s', (text, value) => expect(constant(text)).toBe(value));

  it.each(['', 'a', '1 +', '(1', '1 2', 'vector(1)', '1)', 'NaN of'])('refuses %s', (text) => {
    expect(constant(text)).toBeNull();
  });
});

/** xorshift32. */
function random(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

it('takes whatever a rule may hold', () => {
  const next = random(7);
  const parts = [
    'a',
    '(',
    ')',
    '{',
    '}',
    '"',
    '`',
    '>',
    '==',
    '5',
    ' and ',
    ' or ',
    '[5m]',
    '\\',
    '#',
    '\n',
    "'",
    '-',
    '^',
    'bool ',
  ];
  for (let i = 0; i < 3000; i++) {
    const text = Array.from({ length: Math.floor(next() * 14) }, () => parts[Math.floor(next() * parts.length)]).join(
      '',
    );
    const found = splitThreshold(text);
    if (found) expect(found.expr).not.toBe('');
  }
});
