import { describe, expect, it } from 'vitest';
import type { QueryData } from '../api/prometheus';
import { assignSlots, PALETTE_SIZE } from './colour';
import { csvRows, frameCsv } from './csv';
import { buildFrame, histogramCount, type QueryResult, type Series } from './frame';
import { colourSeed, formatLabels, legendName, seriesKey, shortNames } from './labels';
import { drawable, stackColumns } from './stack';
import { sortLegend, summarise } from './stats';
import { filterRows, histogramText, sortRows, tableOf, VALUE } from './table';
import { ALL_VISIBLE, isolate, isVisible, toggle } from './visible';

const matrix = (...result: Extract<QueryData, { resultType: 'matrix' }>['result']): QueryData => ({
  resultType: 'matrix',
  result,
});
const result = (over: Partial<QueryResult>): QueryResult => ({
  query: 'A',
  expr: 'x',
  legend: '',
  start: 0,
  end: 30,
  step: 10,
  data: matrix(),
  ...over,
});
const series = (key: string, values: Series['values'], labels = {}): Series => ({
  key,
  query: 'A',
  name: key,
  labels,
  values,
});

describe('labels', () => {
  it('prints what PromQL reads', () => {
    expect(formatLabels({ __name__: 'up', job: 'a"b', instance: 'x\\y' })).toBe('up{instance="x\\\\y", job="a\\"b"}');
    expect(formatLabels({ __name__: 'up' })).toBe('up');
    expect(formatLabels({ __name__: 'http.status', 'k8s.pod': 'p' })).toBe('{"http.status", "k8s.pod"="p"}');
    expect(formatLabels({})).toBe('{}');
  });

  it('names series by what differs, or by the format', () => {
    expect(
      shortNames([
        { mode: 'user', job: 'h' },
        { mode: 'idle', job: 'h' },
      ]),
    ).toEqual(['user', 'idle']);
    expect(
      shortNames([
        { a: '1', b: '1' },
        { a: '2', b: '2' },
      ]),
    ).toEqual(['{a="1", b="1"}', '{a="2", b="2"}']);
    expect(shortNames([{ cpu: '0' }, { cpu: '1' }])).toEqual(['{cpu="0"}', '{cpu="1"}']);
    expect(shortNames([{ a: '1' }])).toEqual(['{a="1"}']);
    expect(legendName('{{ job }}/{{none}}', { job: 'x' }, 'e')).toBe('x/');
    expect(legendName('', {}, 'sum(x)')).toBe('sum(x)');
  });

  it('identifies a series whatever the order of its labels', () => {
    expect(seriesKey('A', { a: '1', b: '2' })).toBe(seriesKey('A', { b: '2', a: '1' }));
    expect(seriesKey('A', { a: '1' })).not.toBe(seriesKey('B', { a: '1' }));
    expect(colourSeed({ __name__: 'x', job: 'a' })).toBe(colourSeed({ __name__: 'y', job: 'a' }));
  });
});

describe('frames', () => {
  it('leaves gaps where samples are missing and keeps NaN', () => {
    const data = matrix({
      metric: { a: '1' },
      values: [
        [0, '1'],
        [20, 'NaN'],
        [30, '+Inf'],
      ],
    });
    const frame = buildFrame([result({ data })]);
    expect(frame.times).toEqual([0, 10, 20, 30]);
    expect(frame.series[0]?.values).toEqual([1, null, Number.NaN, Number.POSITIVE_INFINITY]);
    expect(drawable(frame.series[0]?.values ?? [])).toEqual([1, null, null, null]);
  });

  it('joins different steps without inventing gaps', () => {
    const one = result({
      data: matrix({
        metric: { a: '1' },
        values: [
          [0, '1'],
          [10, '2'],
          [20, '3'],
          [30, '4'],
        ],
      }),
    });
    const two = result({
      query: 'B',
      step: 15,
      data: matrix({
        metric: { b: '1' },
        values: [
          [0, '5'],
          [30, '6'],
        ],
      }),
    });
    const frame = buildFrame([one, two]);
    expect(frame.times).toEqual([0, 10, 15, 20, 30]);
    expect(frame.series[0]?.values).toEqual([1, 2, undefined, 3, 4]);
    expect(frame.series[1]?.values).toEqual([5, undefined, null, undefined, 6]);
  });

  it('does not drift on fractional steps', () => {
    const frame = buildFrame([
      result({ start: 0, end: 1, step: 0.1, data: matrix({ metric: {}, values: [[0.3, '1']] }) }),
    ]);
    expect(frame.times[3]).toBe(0.3);
    expect(frame.series[0]?.values[3]).toBe(1);
  });

  it('leaves native histograms to the table', () => {
    const data = matrix({ metric: {}, histograms: [[0, { count: '1', sum: '1' }]] });
    expect(buildFrame([result({ data })]).series).toEqual([]);
    expect(histogramCount(data)).toBe(1);
  });

  it('stacks what is visible', () => {
    expect(
      stackColumns(
        [
          [1, null, 1],
          [5, 5, 5],
          [2, 2, undefined],
        ],
        [true, false, true],
      ),
    ).toEqual([
      [1, null, 1],
      [5, 5, 5],
      [3, 2, undefined],
    ]);
  });
});

describe('legend', () => {
  it('summarises without gaps and NaN', () => {
    expect(summarise([1, null, 3, undefined])).toEqual({ last: 3, min: 1, mean: 2, max: 3 });
    expect(summarise([2, Number.NaN])).toEqual({ last: Number.NaN, min: 2, mean: 2, max: 2 });
    expect(summarise([null])).toEqual({ last: null, min: null, mean: null, max: null });
  });

  it('sorts, missing values last either way', () => {
    const rows = [series('a', [1]), series('b', [null]), series('c10', [3]), series('c9', [3])].map((s) => ({
      series: s,
      colour: '',
      ...summarise(s.values),
    }));
    const order = (descending: boolean) => sortLegend(rows, { column: 'last', descending }).map((r) => r.series.key);
    expect(order(true)).toEqual(['c9', 'c10', 'a', 'b']);
    expect(order(false)).toEqual(['a', 'c9', 'c10', 'b']);
  });

  it('isolates, toggles and comes back to all', () => {
    const alone = isolate(ALL_VISIBLE, 'a');
    expect([isVisible(alone, 'a'), isVisible(alone, 'b')]).toEqual([true, false]);
    expect(isolate(alone, 'a')).toEqual(ALL_VISIBLE);
    const two = toggle(alone, 'b');
    expect([isVisible(two, 'a'), isVisible(two, 'b'), isVisible(two, 'c')]).toEqual([true, true, false]);
    expect(toggle(alone, 'a')).toEqual(ALL_VISIBLE);
    expect(isVisible(toggle(ALL_VISIBLE, 'a'), 'a')).toBe(false);
  });
});

describe('colours', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => series(`k${i}`, [], { job: `service-${i}` }));
  it('are distinct up to the size of the palette', () => {
    for (let count = 1; count <= PALETTE_SIZE; count++) {
      expect(new Set(assignSlots(many(count)).values()).size).toBe(count);
    }
  });
  it('do not depend on the order in which series arrive', () => {
    const list = many(25);
    expect([...assignSlots([...list].reverse())].sort()).toEqual([...assignSlots(list)].sort());
  });
  it('stay with a service alone on a chart', () => {
    const first = assignSlots([series('x', [], { __name__: 'a', job: 'z' })]).get('x');
    expect(assignSlots([series('y', [], { __name__: 'b', job: 'z' })]).get('y')).toBe(first);
  });
});

describe('tables and CSV', () => {
  it('quotes as RFC 4180 says', () => {
    expect(
      csvRows([
        ['a,b', 'c"d', 1],
        ['x\ny', '', 2],
      ]),
    ).toBe('"a,b","c""d",1\r\n"x\ny",,2\r\n');
  });

  it('writes a frame with empty cells for gaps', () => {
    const frame = {
      times: [0, 60],
      series: [series('a', [1, null]), series('b', [Number.NaN, Number.POSITIVE_INFINITY])],
    };
    expect(frameCsv(frame)).toBe('time,a,b\r\n1970-01-01T00:00:00.000Z,1,NaN\r\n1970-01-01T00:01:00.000Z,,+Inf\r\n');
  });

  it('lists the samples of every result type', () => {
    const vector = tableOf({
      resultType: 'vector',
      result: [{ metric: { b: '1', __name__: 'm', a: '2' }, value: [1, '3'] }],
    });
    expect(vector.columns).toEqual(['__name__', 'a', 'b']);
    expect(vector.rows[0]?.cell).toEqual({ kind: 'value', value: 3, text: '3' });
    expect(tableOf({ resultType: 'scalar', result: [1, '2'] }).rows).toHaveLength(1);
    expect(tableOf({ resultType: 'string', result: [1, 'hello'] }).rows[0]?.cell).toMatchObject({ text: 'hello' });
    const samples = matrix({
      metric: {},
      values: [
        [1, '1'],
        [2, '2'],
      ],
      histograms: [[3, { count: '4', sum: '5' }]],
    });
    expect(tableOf(samples).rows.map((r) => r.time)).toEqual([1, 2, 3]);
  });

  it('sorts numbers as numbers, NaN last, and filters by words', () => {
    const { rows } = tableOf({
      resultType: 'vector',
      result: [
        { metric: { job: 'node10' }, value: [1, '5'] },
        { metric: { job: 'node9' }, value: [1, 'NaN'] },
        { metric: { job: 'api' }, value: [1, '+Inf'] },
      ],
    });
    expect(sortRows(rows, { column: VALUE, descending: true }).map((r) => r.labels.job)).toEqual([
      'api',
      'node10',
      'node9',
    ]);
    expect(sortRows(rows, { column: 'job', descending: false }).map((r) => r.labels.job)).toEqual([
      'api',
      'node9',
      'node10',
    ]);
    expect(filterRows(rows, 'JOB=node 5').map((r) => r.labels.job)).toEqual(['node10']);
  });

  it('writes histogram buckets with their boundaries', () => {
    const text = histogramText({
      count: '3',
      sum: '4.5',
      buckets: [
        [3, '-1', '1', '1'],
        [0, '1', '2', '2'],
      ],
    });
    expect(text).toBe('count 3, sum 4.5; [-1, 1]: 1; (1, 2]: 2');
  });
});
