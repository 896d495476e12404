// What a real Loki answered, read by the page; and the queries it takes, changed by clicks. The samples are not part of the
// repository: AFFERENT_SHARED, or the folder beside it, holds them.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  detectedFields,
  detectedLabels,
  formatQuery,
  logLabels,
  logLabelValues,
  logPatterns,
  logqlPosition,
  queryLines,
  queryNumbers,
  queryVector,
} from '../api/loki';
import { linesOf } from './lines';
import { addFilter, levelQuery, parseQuery, removePart } from './query';

const shared = process.env.AFFERENT_SHARED ?? fileURLToPath(new URL('../../../../shared', import.meta.url));
const folder = `${shared}/conformance/logql`;
const found = existsSync(`${folder}/api_samples.json`);
const load = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));

type Sample = { name: string; status: number; response: unknown };
const samples: Sample[] = found ? load('api_samples.json') : [];
const span = { start: 1_700_000_000_000_000_000n, end: 1_700_000_600_000_000_000n };
const request = { query: '{app="api"}', ...span, limit: 2, direction: 'backward' as const };

/** The next call gets this sample for an answer. */
function answer(name: string): void {
  const sample = samples.find((s) => s.name === name);
  if (!sample) throw new Error(`no sample ${name}`);
  const body = typeof sample.response === 'string' ? sample.response : JSON.stringify(sample.response);
  vi.stubGlobal('fetch', async () => new Response(body, { status: sample.status }));
}

afterEach(() => vi.unstubAllGlobals());

describe.skipIf(!found)('answers of Loki', () => {
  it('list labels, values, fields and patterns, or nothing', async () => {
    answer('labels');
    expect(await logLabels(span, '')).toEqual(['app', 'case', 'env', 'fmt', 'inst']);
    answer('label_values');
    expect(await logLabelValues('app', span, '')).toContain('nginx');
    answer('label_values_missing');
    expect(await logLabelValues('nope', span, '')).toEqual([]);
    answer('detected_labels');
    expect(await detectedLabels('{env="prod"}', span)).toEqual([]);
    answer('detected_fields');
    expect(await detectedFields('{app="api"}', span)).toContainEqual({
      label: 'status',
      type: 'int',
      cardinality: 6,
      parsers: ['json'],
    });
    answer('patterns');
    expect(await logPatterns('{app="web"}', span, 60)).toEqual([]);
  });

  it('give lines with what belongs to the stream apart from the rest', async () => {
    answer('query_range_categorize');
    const lines = linesOf(await queryLines(request), 'backward');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      ns: '1700000595000000000',
      labels: { app: 'api', env: 'prod', fmt: 'json' },
      metadata: { pod: 'api-2', trace_id: '9fe5e39943cfeadf' },
      parsed: { method: 'GET' },
      level: 'warn',
    });
    answer('query_range_streams');
    expect(linesOf(await queryLines(request), 'backward').map((l) => l.ns)).toEqual([
      '1700000595000000000',
      '1700000590006000018',
    ]);
  });

  it('give numbers over time and at an instant', async () => {
    answer('query_range_step_default');
    const { data } = await queryNumbers('count_over_time({app="web"}[1m])', span, 2);
    expect(data.resultType).toBe('matrix');
    answer('query_instant');
    const counts = await queryVector('sum by (app)(count_over_time({env="prod"}[5m]))', span.end, 10);
    expect(counts.map((c) => [c.metric.app, c.value?.[1]])).toEqual([
      ['api', '59'],
      ['nginx', '60'],
      ['web', '60'],
    ]);
  });

  it('say what is wrong, in JSON and in plain text', async () => {
    answer('format_query');
    expect(await formatQuery('x')).toBe('sum by (app)(rate({app="web"} |= "x" | logfmt | status>=500[5m]))');
    answer('format_query_bad');
    const error = await formatQuery('sum(').catch((e: Error) => e);
    expect(logqlPosition((error as Error).message)).toMatchObject({ line: 1, column: 5 });
    answer('query_range_limit_too_big');
    await expect(queryLines(request)).rejects.toMatchObject({
      kind: 'bad_data',
      message: expect.stringContaining('max_entries_limit_per_query'),
    });
    answer('get /loki/api/v1/nope');
    await expect(queryLines(request)).rejects.toMatchObject({ kind: 'absent' });
  });
});

describe.skipIf(!found)('queries that Loki takes', () => {
  const cases: { query: string; kind: string }[] = found ? load('parse_valid.json') : [];
  const queries = cases.map((c) => c.query);
  const field = { name: 'afferent_probe', value: 'a "b" `c`', source: 'metadata' as const };

  it('are told apart: lines from numbers', () => {
    for (const { query, kind } of cases) {
      const parsed = parseQuery(query);
      if (parsed) expect(parsed.metric, query).toBe(kind === 'metric');
    }
  });

  it('keep every other part when a filter is added and taken out again', () => {
    let changed = 0;
    for (const expr of queries) {
      const before = parseQuery(expr);
      if (!before || before.matchers.length === 0) continue;
      const more = addFilter(expr, field, '=');
      const after = parseQuery(more);
      const probe = after?.stages.find((s) => s.name === field.name);
      expect(probe?.value, expr).toBe(field.value);
      expect(after?.stages.length, expr).toBe(before.stages.length + 1);
      expect(after?.metric, expr).toBe(before.metric);
      if (probe) expect(removePart(more, probe).replace(/\s+/g, ''), expr).toBe(expr.replace(/\s+/g, ''));
      changed++;
    }
    expect(changed).toBeGreaterThan(queries.length / 2);
  });

  it('are counted by a query whose brackets still match', () => {
    for (const expr of queries) {
      const query = parseQuery(expr);
      if (!query || query.metric) continue;
      const counting = parseQuery(levelQuery(expr, 60));
      expect(counting?.metric, expr).toBe(true);
      expect(counting?.matchers.length, expr).toBe(query.matchers.length);
    }
  });
});
