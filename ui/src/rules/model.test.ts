// Rules listed by file, filtered, cut and ordered; groups that take too long or come too late.
import { describe, expect, it } from 'vitest';
import type { Rule, RuleGroup } from '../api/rules';
import {
  countRules,
  cutFiles,
  entriesOf,
  filterEntries,
  groupByFile,
  isLate,
  pace,
  queryLink,
  shareOf,
  slowestFirst,
  splitPath,
  stateLevel,
} from './model';
import { readFilter, readOrder } from './state';

const AT = '2026-01-01T00:00:00Z';
const base = { labels: { team: 'db' }, health: 'ok' as const, evaluationTime: 0.1, lastEvaluation: AT };
const recording = (name: string, more: Partial<Rule> = {}): Rule =>
  ({ ...base, type: 'recording', name, query: `sum(${name})`, ...more }) as Rule;
const alerting = (name: string, more: object = {}): Rule =>
  ({
    ...base,
    type: 'alerting',
    name,
    query: `${name} > 1`,
    state: 'inactive',
    duration: 0,
    keepFiringFor: 0,
    annotations: { summary: 'Écrit' },
    alerts: [],
    ...more,
  }) as Rule;
const group = (name: string, file: string, rules: Rule[], more: Partial<RuleGroup> = {}): RuleGroup => ({
  name,
  file,
  rules,
  interval: 10,
  limit: 0,
  evaluationTime: 1,
  lastEvaluation: AT,
  ...more,
});

const groups = [
  group('a', '/r/a.yml', [
    recording('one'),
    recording('one'),
    alerting('Fires', { state: 'firing', labels: { severity: 'info' } }),
  ]),
  group('b', '/r/b.yml', [recording('two', { evaluationTime: 9 })]),
  group('c', '/r/b.yml', [alerting('Bad', { health: 'err', lastError: 'many-to-many' })]),
];
const entries = entriesOf({
  metrics: groups,
  logs: [group('l', '/r/l.yml', [alerting('Lines', { state: 'pending' })])],
});
const filter = (text: string, more: object = {}) => ({ text, state: [], health: [], kind: '' as const, ...more });
const names = (text: string, more: object = {}) => filterEntries(entries, filter(text, more)).map((e) => e.rule.name);

it('gives every rule its own key, also equal ones, and the same one each time', () => {
  const keys = entries.map((e) => e.key);
  expect(new Set(keys).size).toBe(entries.length);
  expect(entriesOf({ metrics: groups, logs: [] }).map((e) => e.key)).toEqual(keys.slice(0, 5));
  expect(entriesOf({ metrics: [], logs: groups })[0]?.key).not.toBe(keys[0]);
});

it('filters by words, state, health and kind', () => {
  expect(names('many-to-many')).toEqual(['Bad']);
  expect(names('b.yml SUM')).toEqual(['two']);
  expect(names('team=db lines')).toEqual(['Lines']);
  expect(names('écrit pend')).toEqual([]);
  expect(names('', { state: ['firing', 'pending'] })).toEqual(['Fires', 'Lines']);
  expect(names('', { health: ['err'] })).toEqual(['Bad']);
  expect(names('', { kind: 'recording' })).toEqual(['one', 'one', 'two']);
});

it('lists by file and group, what is wrong first', () => {
  const files = groupByFile(entries);
  expect(files.map((f) => [f.path, f.source, f.groups.map((g) => g.group.name)])).toEqual([
    ['/r/b.yml', 'metrics', ['c', 'b']],
    ['/r/a.yml', 'metrics', ['a']],
    ['/r/l.yml', 'logs', ['l']],
  ]);
  const cut = cutFiles(files, 3);
  expect(cut.map((f) => f.groups.map((g) => g.rules.length))).toEqual([[1, 1], [1]]);
  expect(slowestFirst(entries)[0]?.rule.name).toBe('two');
});

describe('the pace of a group', () => {
  const of = (evaluationTime: number, interval = 10) => pace(group('g', 'f', [], { evaluationTime, interval }));
  it('warns before evaluations are missed', () => {
    expect([of(7.9), of(8), of(9.99), of(10), of(30)]).toEqual(['fine', 'near', 'near', 'over', 'over']);
    expect(shareOf(group('g', 'f', [], { interval: 0 }))).toBe(0);
  });
  it('is late after two intervals without an evaluation', () => {
    const at = Date.parse(AT);
    const g = group('g', 'f', []);
    expect(isLate(g, at + 29_000)).toBe(false);
    expect(isLate(g, at + 31_000)).toBe(true);
    expect(isLate({ ...g, lastEvaluation: '0001-01-01T00:00:00Z' }, at)).toBe(false);
  });
});

it('counts states and health, and knows how bad what fires is', () => {
  const counts = countRules(entries);
  expect(counts.state).toEqual({ unknown: 0, inactive: 1, pending: 1, firing: 1 });
  expect(counts.health).toEqual({ ok: 5, err: 1, unknown: 0 });
  expect(counts.level.firing).toBe('info');
  expect(stateLevel(recording('x'))).toBe('unknown');
});

it('reads its filter from any address', () => {
  expect(readFilter({ q: 'x', state: 'firing,nonsense', health: 'err', kind: 'other' })).toEqual({
    text: 'x',
    state: ['firing'],
    health: ['err'],
    kind: '',
  });
  expect(readOrder({ order: 'slowest' })).toBe('slowest');
  expect(readOrder({ order: 'x' })).toBe('file');
});

it('leads to where the expression is looked into', () => {
  expect(queryLink('metrics', 'up')).toEqual({ to: '/explore', search: { A: 'up' } });
  expect(queryLink('logs', '{a="b"}')).toEqual({ to: '/logs', search: { q: '{a="b"}' } });
  expect(splitPath('/a/b.yml')).toEqual({ folder: '/a/', name: 'b.yml' });
  expect(splitPath('b.yml')).toEqual({ folder: '', name: 'b.yml' });
});
