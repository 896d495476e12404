import { afterEach, describe, expect, it, vi } from 'vitest';
import { continueColumns, decodeColumns, queryColumns } from './columns';

const ABSENT = 0x7ff0000000000002n;
type Line = { metric: Record<string, string>; dense?: (number | null)[]; sparse?: [number, number | null][] };

/** Writes the format as its description says. */
function encode(from: number, steps: number, lines: Line[], warnings: string[] = []): ArrayBuffer {
  const series = lines.map(({ metric, dense, sparse }) => ({
    metric,
    points: dense?.length ?? sparse?.length ?? 0,
    dense: dense !== undefined,
  }));
  let head = JSON.stringify({ from, steps, series, warnings, infos: [] });
  while (head.length % 8 !== 0) head += ' ';
  const bytes = new Uint8Array(20_000);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('AFC1'));
  view.setUint32(4, head.length, true);
  bytes.set(new TextEncoder().encode(head), 8);
  let at = 8 + head.length;
  for (const { dense, sparse } of lines) {
    for (const [step] of sparse ?? []) {
      view.setUint32(at, step, true);
      at += 4;
    }
    at += at % 8;
    for (const value of dense ?? (sparse ?? []).map(([, v]) => v)) {
      if (value === null) view.setBigUint64(at, ABSENT, true);
      else view.setFloat64(at, value, true);
      at += 8;
    }
  }
  return bytes.buffer.slice(0, at);
}

describe('columns of numbers', () => {
  it('are read as they are written', () => {
    const buffer = encode(0, 4, [
      { metric: { a: '1' }, dense: [1.5, null, Number.NaN, -Infinity] },
      {
        metric: { a: 'ä' },
        sparse: [
          [1, 7],
          [2, null],
          [3, 9],
        ],
      },
      { metric: { a: '3' }, sparse: [] },
      {
        metric: { a: '4' },
        sparse: [
          [0, 0],
          [3, 5],
        ],
      },
    ]);
    expect(decodeColumns(buffer).items).toEqual([
      { metric: { a: '1' }, column: [1.5, null, Number.NaN, -Infinity] },
      { metric: { a: 'ä' }, column: [null, 7, null, 9] },
      { metric: { a: '3' } },
      { metric: { a: '4' }, column: [0, null, null, 5] },
    ]);
  });

  it('continue what is known', () => {
    const old = [
      { metric: { i: 'goes on' }, column: [1, 2, 3, 4] },
      { metric: { i: 'ends' }, column: [1, null, 5, 6] },
      { metric: { i: 'ended' }, column: [1, 2, null, null] },
    ];
    const fresh = [
      { metric: { i: 'goes on' }, column: [40, 50] },
      { metric: { i: 'begins' }, column: [null, 7] },
    ];
    const grid = { oldStart: 0, start: 20, from: 30, end: 40, step: 10 };
    expect(continueColumns(old, fresh, grid)).toEqual([
      { metric: { i: 'goes on' }, column: [3, 40, 50] },
      { metric: { i: 'begins' }, column: [null, null, 7] },
      { metric: { i: 'ends' }, column: [5, null, null] },
    ]);
  });
});

describe('asking for columns', () => {
  afterEach(() => vi.unstubAllGlobals());

  function serve(...answers: (ArrayBuffer | string)[]): URLSearchParams[] {
    const asked: URLSearchParams[] = [];
    vi.stubGlobal('fetch', async (_path: string, init: { body: URLSearchParams }) => {
      asked.push(init.body);
      const answer = answers[asked.length - 1] ?? '';
      const type = typeof answer === 'string' ? 'application/json' : 'application/vnd.afferent.columns';
      return new Response(answer, { headers: { 'content-type': type } });
    });
    return asked;
  }
  const signal = new AbortController().signal;
  const ask = (query: string, start: number, end: number) => queryColumns({ query, start, end, step: 60 }, signal);

  it('asks again for what is new and what may have come late', async () => {
    const asked = serve(
      encode(0, 6, [{ metric: { a: '1' }, dense: [1, 2, 3, 4, 5, 6] }], ['first']),
      encode(240_000, 3, [{ metric: { a: '1' }, dense: [50, 60, 70] }], ['second']),
      encode(60_000, 11, [{ metric: { a: '1' }, dense: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }]),
    );
    await ask('x', 0, 300);
    const second = await ask('x', 60, 360);
    expect(second.data).toMatchObject({ result: [{ metric: { a: '1' }, column: [2, 3, 4, 50, 60, 70] }] });
    expect(second.warnings).toEqual(['second', 'first']);
    // Another range, of which too little is known.
    await ask('x', 0, 600);
    expect(asked.map((body) => body.get('since'))).toEqual([null, '180', null]);
  });

  it('takes JSON from a server that knows nothing else, and its errors', async () => {
    serve(
      '{"status":"success","data":{"resultType":"matrix","result":[]}}',
      '{"status":"error","errorType":"bad_data","error":"no"}',
    );
    expect((await ask('y', 0, 60)).data).toEqual({ resultType: 'matrix', result: [] });
    await expect(ask('y', 0, 60)).rejects.toMatchObject({ kind: 'bad_data', message: 'no' });
  });
});
