import { describe, expect, it } from 'vitest';
import type { LineRequest, StreamItem } from '../api/loki';
import { csv, csvHead, exportLines, ndjson } from './export';
import { bodyFields, flatten, fold, type Json, parseBody } from './fold';
import { bucketSpan, bucketStep, levelFrame, levelTotals } from './histogram';
import { levelIn, levelOf } from './levels';
import { columnValue, fieldsOf, isoNs, type LogLine, linePages, linesOf, traceIdOf } from './lines';
import { readHistory, remember } from './saved';
import { LINE, lineAddress, moveColumn, readLogs, toggleColumn, writeLogs } from './state';

const JSON_LINE =
  '{"level":"error","message":"no \\"route\\"","status":500,"id":12345678901234567890,"user":{"id":7,"a.b":true},"tags":["x"],"none":null}';

function stream(labels: Record<string, string>, ...values: [number, string][]): StreamItem {
  return {
    stream: labels,
    values: values.map(([ns, line]) => [String(1_700_000_000_000_000_000n + BigInt(ns)), line]),
  };
}

/** A store that answers as Loki does. */
function store(items: { ns: bigint; line: string }[]) {
  const asked: LineRequest[] = [];
  const ask = async (request: LineRequest): Promise<StreamItem[]> => {
    asked.push(request);
    const inside = items
      .filter((i) => i.ns >= request.start && i.ns < request.end)
      .sort((a, b) => (a.ns < b.ns ? -1 : 1));
    if (request.direction === 'backward') inside.reverse();
    const values = inside.slice(0, request.limit).map((i): [string, string] => [String(i.ns), i.line]);
    return [{ stream: { a: 'b' }, values }];
  };
  return { ask, asked };
}

async function all(request: LineRequest, ask: (r: LineRequest) => Promise<StreamItem[]>, page: number) {
  const out: string[] = [];
  for await (const { lines } of linePages(request, undefined, ask, page)) out.push(...lines.map((l) => l.line));
  return out;
}

describe('folding', () => {
  it('names fields as the json stage does and keeps long numbers', () => {
    expect(bodyFields(parseBody(JSON_LINE))).toEqual([
      ['level', 'error'],
      ['message', 'no "route"'],
      ['status', '500'],
      ['id', '12345678901234567890'],
      ['user_id', '7'],
      ['user_a_b', 'true'],
    ]);
    expect(flatten({ '0x': 'y', 'a-b': 1 })).toEqual([
      ['_0x', 'y'],
      ['a_b', '1'],
    ]);
  });

  it('puts the message first and leaves out what columns say', () => {
    expect(fold(parseBody(JSON_LINE))).toEqual({
      message: 'no "route"',
      fields: [
        ['status', '500'],
        ['id', '12345678901234567890'],
        ['user', '{"id":7,"a.b":true}'],
        ['tags', '["x"]'],
        ['none', 'null'],
      ],
    });
    expect(fold(parseBody('plain text'))).toBeNull();
  });

  it('reads logfmt, and sentences as sentences', () => {
    expect(parseBody('level=warn msg="a \\"b\\"" took=5ms empty= x')).toEqual({
      kind: 'logfmt',
      pairs: [
        ['level', 'warn'],
        ['msg', 'a "b"'],
        ['took', '5ms'],
        ['empty', ''],
      ],
    });
    expect(parseBody('the value a=b is wrong').kind).toBe('text');
    expect(parseBody('{broken').kind).toBe('text');
    expect(parseBody('').kind).toBe('text');
  });

  it('withstands whatever a line holds', () => {
    let seed = 3;
    const next = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    for (let i = 0; i < 500; i++) {
      const at = next() % JSON_LINE.length;
      const line = JSON_LINE.slice(0, at) + String.fromCharCode(next() % 128) + JSON_LINE.slice(at + (next() % 3));
      const body = parseBody(line);
      expect(() => [fold(body), bodyFields(body)]).not.toThrow();
    }
    let deep: Json = 1;
    for (let i = 0; i < 200; i++) deep = { a: deep };
    expect(flatten({ deep })).toHaveLength(1);
  });
});

describe('levels', () => {
  it('have many spellings', () => {
    expect(['CRITICAL', 'err', 'Warning', 'notice', 'dbg', 'verbose', 'x'].map(levelOf)).toEqual([
      'fatal',
      'error',
      'warn',
      'info',
      'debug',
      'trace',
      'unknown',
    ]);
    expect(levelIn([{}, { level: 'warn' }], '')).toBe('warn');
    expect(levelIn([], '{"ts":1,"level":"ERROR"}')).toBe('error');
    expect(levelIn([], 'ts=1 lvl=debug x')).toBe('debug');
    expect(levelIn([], 'a message of the top level: fine')).toBe('debug');
    expect(levelIn([], 'nothing')).toBe('unknown');
  });
});

describe('lines', () => {
  const items = [stream({ app: 'a' }, [3, 'a3'], [1, 'a1']), stream({ app: 'b' }, [2, 'b2'])];

  it('of all streams stand in one order', () => {
    expect(linesOf(items, 'backward').map((l) => l.line)).toEqual(['a3', 'b2', 'a1']);
    expect(linesOf(items, 'forward').map((l) => l.line)).toEqual(['a1', 'b2', 'a3']);
  });

  it('have keys that tell streams and lines of one instant apart', () => {
    const same = linesOf([stream({ app: 'a' }, [1, 'x'], [1, 'y']), stream({ app: 'b' }, [1, 'x'])], 'forward');
    expect(new Set(same.map((l) => l.key)).size).toBe(3);
  });

  it('know their fields, the value of a column, and their trace', () => {
    const line: LogLine = {
      ...(linesOf(items, 'forward')[0] as LogLine),
      line: JSON_LINE,
      metadata: { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736' },
    };
    expect(fieldsOf(line).slice(0, 3)).toEqual([
      { name: 'app', value: 'a', source: 'label' },
      { name: 'trace_id', value: '4bf92f3577b34da6a3ce929d0e0e4736', source: 'metadata' },
      { name: 'level', value: 'error', source: 'json' },
    ]);
    expect(columnValue(line, 'user_id')).toBe('7');
    expect(columnValue(line, 'nope')).toBeUndefined();
    expect(traceIdOf(line)).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    expect(traceIdOf({ ...line, metadata: { trace_id: 'unset' } })).toBeNull();
    expect(isoNs('1700000000000000017')).toBe('2023-11-14T22:13:20.000000017Z');
  });
});

describe('pages', () => {
  // 100 lines; every seven share an instant.
  const items = Array.from({ length: 100 }, (_, i) => ({ ns: BigInt(1000 + Math.floor(i / 7)), line: `l${i}` }));
  const request = { query: '{a="b"}', start: 0n, end: 5000n, limit: 1000, direction: 'backward' as const };

  it('give every line once, in both directions, whatever the page holds', async () => {
    for (const direction of ['backward', 'forward'] as const) {
      for (const page of [8, 10, 33, 100, 500]) {
        const got = await all({ ...request, direction }, store(items).ask, page);
        expect(got, `${direction} ${page}`).toHaveLength(100);
        expect(new Set(got).size).toBe(100);
      }
    }
  });

  it('stop at the limit and at the end', async () => {
    const { ask, asked } = store(items);
    expect(await all({ ...request, limit: 25 }, ask, 10)).toHaveLength(25);
    expect(asked.every((r) => r.limit <= 10)).toBe(true);
    expect(await all({ ...request, start: 4000n }, store(items).ask, 10)).toEqual([]);
  });

  it('pass an instant that no page can hold instead of asking for ever', async () => {
    const same = Array.from({ length: 50 }, (_, i) => ({ ns: 10n, line: `x${i}` }));
    const got = await all(request, store([...same, { ns: 5n, line: 'before' }]).ask, 10);
    expect(got.at(-1)).toBe('before');
    expect(got.length).toBeGreaterThanOrEqual(11);
  });
});

describe('export', () => {
  const lines = linesOf([stream({ app: 'a' }, [1, JSON_LINE], [0, 'say "hi",\nthere'])], 'backward');

  it('writes lines whole, with nanoseconds', () => {
    const rows = ndjson(lines)
      .trimEnd()
      .split('\n')
      .map((row) => JSON.parse(row));
    expect(rows[0]).toEqual({ time: '2023-11-14T22:13:20.000000001Z', labels: { app: 'a' }, line: JSON_LINE });
    expect(csvHead(['status'])).toBe('time,level,status,line\r\n');
    expect(csv(lines.slice(1), [LINE])).toBe('2023-11-14T22:13:20.000000000Z,,"say ""hi"",\nthere"\r\n');
    expect(csv(lines.slice(0, 1), ['status', LINE])).toMatch(/^2023-11-14T22:13:20.000000001Z,error,500,"\{""level""/);
    expect(csv([], [LINE])).toBe('');
  });

  it('goes page by page and stops when told', async () => {
    async function* pages() {
      for (let i = 0; i < 5; i++) yield { lines, done: i === 4 };
    }
    let text = '';
    let closed = false;
    const sink = {
      write: async (t: string) => {
        text += t;
      },
      close: async () => {
        closed = true;
      },
    };
    const seen: number[] = [];
    const control = new AbortController();
    const request = { query: '{a="b"}', start: 0n, end: 1n, direction: 'backward' as const };
    await exportLines(request, 'ndjson', [LINE], sink, (n) => seen.push(n), control.signal, pages);
    expect(seen).toEqual([2, 4, 6, 8, 10]);
    expect(text.trimEnd().split('\n')).toHaveLength(10);
    expect(closed).toBe(true);
    closed = false;
    const stopping = exportLines(request, 'csv', [LINE], sink, () => control.abort(), control.signal, pages);
    await expect(stopping).rejects.toThrow();
    expect(closed).toBe(false);
  });
});

describe('the histogram', () => {
  const span = { start: 1_000_000_000_123_000_000n, end: 1_000_003_600_123_000_000n };

  it('has buckets on round times that cover the span', () => {
    expect(bucketStep(span, 720)).toBe(60);
    const buckets = bucketSpan(span, 60);
    expect(buckets.start % 60_000_000_000n).toBe(0n);
    expect(buckets.start - 60_000_000_000n).toBeLessThanOrEqual(span.start);
    expect(buckets.end).toBeGreaterThanOrEqual(span.end);
    expect(buckets.end - span.end).toBeLessThan(60_000_000_000n);
  });

  it('stacks levels, the gravest at the ground, and stands at the beginning of buckets', () => {
    const items = [
      { metric: { detected_level: 'info' }, values: [[120, '5']] as [number, string][] },
      {
        metric: { detected_level: 'ERROR' },
        values: [
          [60, '1'],
          [180, '2'],
        ] as [number, string][],
      },
      { metric: { detected_level: 'err' }, values: [[60, '3']] as [number, string][] },
      { metric: {}, values: [[180, '7']] as [number, string][] },
    ];
    const frame = levelFrame(items, { start: 60_000_000_000n, end: 180_000_000_000n }, 60);
    expect(frame.times).toEqual([0, 60, 120]);
    expect(frame.series.map((s) => [s.key, s.values])).toEqual([
      ['error', [4, null, 2]],
      ['info', [null, 5, null]],
      ['unknown', [null, null, 7]],
    ]);
    expect(levelTotals(frame)).toEqual([
      { level: 'error', count: 6, spelled: ['ERROR', 'err'] },
      { level: 'info', count: 5, spelled: ['info'] },
      { level: 'unknown', count: 7, spelled: [''] },
    ]);
  });
});

describe('state', () => {
  it('comes back from the URL as it was written, and keeps what is the shell’s', () => {
    const state = readLogs({
      q: '{a="b"} |= "x"',
      tab: 'patterns',
      limit: '5000',
      dir: 'forward',
      wrap: '1',
      raw: '1',
      live: '1',
      cols: `status,${LINE}`,
      open: 'a,b',
      field: 'status',
      around: 'a',
      only: 'Ax.Ay',
    });
    const written = writeLogs(state, { from: 'now-6h', q: 'old', tz: 'utc' });
    expect(written).toMatchObject({ from: 'now-6h', tz: 'utc' });
    expect(readLogs(written)).toEqual(state);
    expect(writeLogs(readLogs({}), {})).toEqual({});
    expect(readLogs({ limit: '-1', dir: 'x', tab: 'y', cols: ',,' })).toEqual(readLogs({}));
    expect(readLogs({ limit: '99999999' }).limit).toBe(100_000);
  });

  it('leads to one line by an address that ends with it', () => {
    const search = lineAddress(
      { q: '{a="b"}', from: 'now-1h', dir: 'forward', live: '1', wrap: '1' },
      { key: 'k', ms: 1_800_001 },
    );
    expect(search).toEqual({ q: '{a="b"}', wrap: '1', open: 'k', from: '1', to: '1800002' });
  });

  it('puts columns before the line, and brings the line back when nothing is left', () => {
    const two = toggleColumn(toggleColumn([LINE], 'a'), 'b');
    expect(two).toEqual(['a', 'b', LINE]);
    expect(moveColumn(two, 'a', 1)).toEqual(['b', 'a', LINE]);
    expect(moveColumn(two, 'a', -1)).toEqual(two);
    expect(toggleColumn(toggleColumn(two, LINE), 'c')).toEqual(['a', 'b', 'c']);
    expect(toggleColumn(['a'], 'a')).toEqual([LINE]);
  });
});

describe('searches that ran', () => {
  const make = () => {
    const map = new Map<string, string>();
    return { getItem: (k: string) => map.get(k) ?? null, setItem: (k: string, v: string) => void map.set(k, v) };
  };

  it('remember what ran, once each, the newest first, and survive what is not theirs', () => {
    const store = make();
    for (let i = 0; i < 60; i++) remember(store, `q${i}`, i);
    remember(store, 'q30', 99);
    remember(store, ' ', 100);
    const list = readHistory(store);
    expect(list).toHaveLength(50);
    expect(list[0]).toEqual({ query: 'q30', at: 99 });
    store.setItem('afferent.logs.history', '{oops');
    expect(readHistory(store)).toEqual([]);
  });
});
