import { describe, expect, it } from 'vitest';
import type { BlockInfo, StoreStatus } from '../api/status';
import { type Column, readSort, sortRows, tableCsv, writeSort } from '../parts/columns';
import {
  filterBlocks,
  isNear,
  memoryParts,
  narrow,
  percent,
  rateFrame,
  rejectedRows,
  resolutionText,
  shareOf,
  splitPair,
  tabOf,
} from './model';

const memory: StoreStatus['memory'] = {
  budget: 1000,
  head: 360,
  headLimit: 400,
  blockCache: 100,
  blockCacheLimit: 100,
  blockCacheHits: 9,
  blockCacheMisses: 1,
  queries: 0,
  queriesLimit: null,
};
const block = (more: Partial<BlockInfo>): BlockInfo => ({
  file: '000a.parquet',
  tenant: 'default',
  level: 0,
  minTime: 0,
  maxTime: 1000,
  series: 1,
  rows: 1,
  samples: 1,
  bytes: 1,
  resolutionMs: 0,
  createdMs: 0,
  ...more,
});

describe('the address', () => {
  it('names the tab, and the store where it names none', () => {
    expect(tabOf('queries')).toBe('queries');
    expect(tabOf(undefined)).toBe('store');
    expect(tabOf('nonsense')).toBe('store');
  });
});

describe('memory', () => {
  it('warns of what refuses at its limit, never of a full cache', () => {
    const near = memoryParts(memory).filter(isNear);
    expect(near.map((part) => part.name)).toEqual(['Head']);
    expect(memoryParts({ ...memory, head: 359 }).some(isNear)).toBe(false);
  });

  it('has no share without a limit', () => {
    expect(shareOf(10, null)).toBe(0);
    expect(shareOf(10, 0)).toBe(0);
    expect(shareOf(300, 200)).toBe(1);
  });
});

describe('the ingestion chart', () => {
  it('leaves the time open in which nothing was counted', () => {
    const at = (minute: number) => ({ time: minute * 60_000, samplesPerSecond: minute });
    const { times, series } = rateFrame([at(1), at(2), at(9)]);
    expect(times).toEqual([60, 120, 330, 540]);
    expect(series[0]?.values).toEqual([1, 2, null, 9]);
    expect(rateFrame([]).times).toEqual([]);
  });
});

describe('rejected samples', () => {
  it('are listed by number, and what the page does not know keeps its name', () => {
    const rows = rejectedRows({ too_old: 2, out_of_order: 0, some_new_reason: 5 });
    expect(rows.map((row) => [row.word, row.samples])).toEqual([
      ['some new reason', 5],
      ['Too old', 2],
    ]);
  });
});

describe('blocks', () => {
  it('are found by level, tenant, file and resolution', () => {
    const list = [
      block({ level: 1 }),
      block({ tenant: 'payments', resolutionMs: 300_000 }),
      block({ file: '00ff.parquet' }),
    ];
    expect(filterBlocks(list, 'level=1')).toEqual([list[0]]);
    expect(filterBlocks(list, 'PAY 5m')).toEqual([list[1]]);
    expect(filterBlocks(list, '00ff')).toEqual([list[2]]);
    expect(filterBlocks(list, ' ')).toEqual(list);
  });

  it('say what they hold', () => {
    expect(resolutionText({ resolutionMs: 0 })).toBe('Raw');
    expect(resolutionText({ resolutionMs: 3_600_000 })).toBe('1h');
  });
});

describe('a selector', () => {
  it('narrows whatever its form', () => {
    expect(narrow('', '__name__', 'up')).toBe('up');
    expect(narrow('', 'job', 'api')).toBe('{job="api"}');
    expect(narrow('up', 'job', 'api')).toBe('up{job="api"}');
    expect(narrow('up{}', 'job', 'api')).toBe('up{job="api"}');
    expect(narrow('up{job="api"} ', 'path', 'C:\\"x"')).toBe('up{job="api", path="C:\\\\\\"x\\""}');
    expect(narrow('{job=~"a.+",}', '__name__', 'up')).toBe('{job=~"a.+", __name__="up"}');
    expect(narrow('', '__name__', 'http.requests')).toBe('{"http.requests"}');
    expect(narrow('up', 'k8s.pod', 'a')).toBe('up{"k8s.pod"="a"}');
  });

  it('is made from a pair, whose value may hold the sign itself', () => {
    expect(splitPair('query=a=b')).toEqual(['query', 'a=b']);
    expect(splitPair('empty=')).toEqual(['empty', '']);
  });
});

describe('counts', () => {
  it('are shares in two digits', () => {
    expect(percent(1, 3)).toBe('33%');
    expect(percent(1, 30)).toBe('3.3%');
    expect(percent(1, 30_000)).toBe('<0.1%');
    expect(percent(5, 5)).toBe('100%');
    expect(percent(0, 5)).toBe('0%');
    expect(percent(1, 0)).toBe('–');
  });
});

describe('a table', () => {
  type Row = { name: string; size: number };
  const columns: Column<Row>[] = [
    { id: 'name', label: 'Name', cell: (row) => row.name, csv: (row) => row.name },
    { id: 'size', label: 'Size', cell: (row) => row.size, csv: (row) => row.size, compare: (a, b) => a.size - b.size },
    { id: 'link', label: '', cell: () => 'open' },
  ];
  const rows: Row[] = [
    { name: 'a', size: 2 },
    { name: 'b,c', size: 10 },
  ];

  it('keeps its order in the address', () => {
    expect(readSort('size.desc', { column: 'name', descending: false })).toEqual({ column: 'size', descending: true });
    expect(readSort(undefined, { column: 'name', descending: false })).toEqual({ column: 'name', descending: false });
    expect(writeSort({ column: 'size', descending: true })).toBe('size.desc');
    expect(sortRows(rows, columns, { column: 'size', descending: true })[0]?.name).toBe('b,c');
    expect(sortRows(rows, columns, { column: 'nonsense', descending: true })).toEqual(rows);
  });

  it('is copied with exact values, without its links', () => {
    expect(tableCsv(rows, columns)).toBe('name,size\r\na,2\r\n"b,c",10\r\n');
  });
});
