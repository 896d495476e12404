// Colours are cut from the text without changing it.
import { expect, it } from 'vitest';
import { paint } from './paint';

const coloured = (text: string, source: 'metrics' | 'logs') => {
  const pieces = paint(text, source);
  expect(pieces.map((piece) => piece.text).join('')).toBe(text);
  return pieces.filter((piece) => piece.colour).map((piece) => `${piece.colour.replace('code-', '')} ${piece.text}`);
};

it('paints PromQL', () => {
  expect(coloured('sum by (job) (rate(up{a="b"}[5m]))\n  > 0.5 # why', 'metrics')).toEqual([
    'function sum',
    'function by',
    'label job',
    'function rate',
    'label a',
    'string "b"',
    'number 5m',
    'number 0.5',
    'comment # why',
  ]);
});

it('paints LogQL', () => {
  const found = coloured('sum by (app) (rate({app="x"} |= "e" | json [5m])) > 5', 'logs');
  expect(found).toEqual(
    expect.arrayContaining([
      'function sum',
      'function rate',
      'label app',
      'string "x"',
      'function json',
      'number 5m',
      'number 5',
    ]),
  );
});

it('paints what is not valid as far as it can', () => {
  for (const text of ['', '{{{', 'sum(', '"', 'a > $x', '\n\n']) {
    for (const source of ['metrics', 'logs'] as const) coloured(text, source);
  }
});
