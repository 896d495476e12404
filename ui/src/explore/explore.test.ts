import { describe, expect, it } from 'vitest';
import { errorPosition } from '../api/prometheus';
import { markError } from '../editor/mark';
import { parseSearch, writeSearch } from '../router-search';
import { fromPrometheusLink, fromShortLink, insertQuery, newQuery, readState, writeState } from './state';
import { planQuery } from './useResults';

describe('state in the URL', () => {
  it('comes back as it was written', () => {
    const state = readState({
      A: 'up{job="a b"}',
      'A.legend': '{{job}}',
      'A.step': '30s',
      'A.type': 'instant',
      C: 'rate(x[1m]) > 1 + 2 & "#%"',
      'C.off': '1',
      tab: 'table',
      style: 'points',
      unit: 'bytes',
      only: 'Ak1.Ck2',
    });
    const url = writeSearch(writeState(state, { from: 'now-6h', to: 'now', refresh: '5s' }));
    const search = parseSearch(url);
    expect(readState(search)).toEqual(state);
    expect(search).toMatchObject({ from: 'now-6h', to: 'now', refresh: '5s' });
  });

  it('takes defaults for what is wrong or missing', () => {
    const state = readState({ tab: 'x', style: 'x', unit: 'x', 'A.type': 'x' });
    expect(state).toEqual(readState({}));
    expect(state.queries).toEqual([newQuery('A')]);
    expect(writeState(readState({}), {})).toEqual({ A: '' });
  });

  it('drops the options of a removed query and keeps what belongs to others', () => {
    const search = writeState(readState({ A: 'up' }), {
      B: 'x',
      'B.legend': 'y',
      hide: 'z',
      from: 'now-1h',
      q: 'keep',
    });
    expect(search).toEqual({ A: 'up', from: 'now-1h', q: 'keep' });
  });

  it('gives a new query the first free letter', () => {
    const list = insertQuery([newQuery('A'), newQuery('C')], 0, newQuery('A', 'x'));
    expect(list.map((q) => q.id)).toEqual(['A', 'B', 'C']);
    const full = Array.from({ length: 26 }, (_, i) => newQuery(String.fromCharCode(65 + i)));
    expect(insertQuery(full, 0, newQuery('A'))).toHaveLength(26);
  });

  it('reads the short form', () => {
    expect(fromShortLink({ A: 'up' })).toBeNull();
    expect(fromShortLink({ expr: 'up', range: '30m', tz: 'utc' })).toEqual({
      A: 'up',
      from: 'now-30m',
      to: 'now',
      tz: 'utc',
    });
    expect(fromShortLink({ expr: 'up', range: 'x' })).toEqual({ A: 'up' });
  });

  it('reads the links that Prometheus writes', () => {
    const search = fromPrometheusLink({
      'g0.expr': 'up',
      'g0.tab': '1',
      'g0.range_input': '1h',
      'g0.end_input': '2026-01-31 15:00:00',
      'g1.expr': 'x',
    });
    expect(search).toMatchObject({ A: 'up', B: 'x', tab: 'table', to: String(Date.UTC(2026, 0, 31, 15)) });
    expect(Number(search.to) - Number(search.from)).toBe(3_600_000);
  });
});

describe('plans', () => {
  const range = { start: 1_000_003_000, end: 1_000_903_000 };
  it('asks for a range on the graph and for an instant in the table, unless told', () => {
    const query = { ...newQuery('A', 'up'), step: '10s' };
    expect(planQuery(query, 'graph', range, 1200)).toMatchObject({
      kind: 'range',
      start: 1_000_000,
      end: 1_000_900,
      step: 10,
    });
    expect(planQuery(query, 'table', range, 1200)).toMatchObject({ kind: 'instant' });
    expect(planQuery({ ...query, kind: 'range' }, 'table', range, 1200)).toMatchObject({ kind: 'range' });
    expect(planQuery({ ...query, kind: 'instant' }, 'graph', range, 1200)).toBeNull();
    expect(planQuery({ ...query, off: true }, 'graph', range, 1200)).toBeNull();
    expect(planQuery(newQuery('A', '  '), 'graph', range, 1200)).toBeNull();
  });
});

describe('errors', () => {
  it('finds the position in what Prometheus writes', () => {
    const message = 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis';
    expect(errorPosition(message)).toEqual({ line: 1, column: 5, message: 'parse error: unclosed left parenthesis' });
    expect(errorPosition('2:13: parse error: unexpected ")"')).toMatchObject({ line: 2, column: 13 });
    expect(errorPosition('query timed out')).toBeNull();
  });

  it('marks a word, a sign, or the place behind the end', () => {
    expect(markError('sum(foo bar)', 1, 9)).toEqual({ before: 'sum(foo ', marked: 'bar', after: ')' });
    expect(markError('a\n  + ) b', 2, 5)).toEqual({ before: 'a\n  + ', marked: ')', after: ' b' });
    expect(markError('sum(', 1, 5)).toEqual({ before: 'sum(', marked: ' ', after: '' });
    expect(markError('x', 9, 99)).toEqual({ before: 'x', marked: ' ', after: '' });
  });
});
