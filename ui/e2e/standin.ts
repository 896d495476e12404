// A stand-in for the log API, for servers that have none: made-up lines of six services, and enough of LogQL to ask for them.
import type { Page, Route } from '@playwright/test';
import { bodyFields, parseBody } from '../src/logs/fold';
import { type Part, parseQuery } from '../src/logs/query';

type Labels = Record<string, string>;
type Made = { ns: bigint; stream: Labels; metadata: Labels; line: string };

/** One line in so many milliseconds. */
const EVERY = 1200;
const SERVICES = ['checkout', 'cart', 'payments', 'search', 'gateway', 'worker'];
const PATHS = ['/api/cart', '/api/checkout', '/api/items/17', '/api/search', '/login'];

function hash(n: number): number {
  let x = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

const known = new Map<number, Made>();

function make(n: number): Made {
  const made = known.get(n) ?? makeNew(n);
  known.set(n, made);
  return made;
}

function makeNew(n: number): Made {
  const h = hash(n);
  const service = SERVICES[h % SERVICES.length] ?? 'cart';
  const roll = (h >>> 8) % 100;
  const level = roll < 1 ? 'fatal' : roll < 6 ? 'error' : roll < 16 ? 'warn' : roll < 85 ? 'info' : 'debug';
  const status = level === 'error' || level === 'fatal' ? 500 + (h % 4) : level === 'warn' ? 404 : 200;
  const trace = (hash(n >> 2).toString(16) + hash((n >> 2) + 7).toString(16)).padStart(16, '0').slice(0, 16);
  const path = PATHS[(h >>> 4) % PATHS.length] ?? '/';
  const took = (h >>> 3) % 900;
  const stream = { service_name: service, environment: 'production', region: h % 3 === 0 ? 'eu-west-1' : 'us-east-1' };
  const metadata = { detected_level: level, pod: `${service}-${(h >>> 5) % 3}` };
  const ns = BigInt(n * EVERY + (h % 900)) * 1_000_000n + BigInt(h % 1_000_000);
  const time = new Date(Number(ns / 1_000_000n)).toISOString();
  if (service === 'gateway') {
    const line = `ts=${time} level=${level} msg="GET ${path}" status=${status} duration=${took}ms trace_id=${trace}`;
    return { ns, stream, metadata, line };
  }
  if (service === 'worker')
    return { ns, stream, metadata, line: `${time} ${level.toUpperCase()} job ${h % 5000} finished after ${took} ms` };
  const message =
    level === 'error' ? 'connection reset by peer' : level === 'fatal' ? 'out of memory' : `handled GET ${path}`;
  const line = JSON.stringify({
    timestamp: time,
    level,
    logger: `${service}.http`,
    message,
    service_name: service,
    trace_id: trace,
    status,
    duration_ms: took,
    user: { id: 9_007_199_254_740_000 + (h % 2000), country: ['DE', 'US', 'FR'][h % 3] },
    tags: ['http', 'v2'],
  });
  return { ns, stream, metadata, line };
}

const passes = (op: string, have: string, want: string): boolean => {
  const number = Number(have);
  if (op === '=' || op === '==') return have === want;
  if (op === '!=') return have !== want;
  if (op === '=~') return new RegExp(`^(?:${want})$`).test(have);
  if (op === '!~') return !new RegExp(`^(?:${want})$`).test(have);
  if (have === '') return false;
  return op === '>'
    ? number > Number(want)
    : op === '>='
      ? number >= Number(want)
      : op === '<'
        ? number < Number(want)
        : number <= Number(want);
};

function linePasses(stage: Part, line: string): boolean {
  const want = stage.value ?? '';
  const holds = (stage.op ?? '').endsWith('~')
    ? new RegExp(want).test(line)
    : (stage.op ?? '').endsWith('>')
      ? new RegExp(
          want
            .split('<_>')
            .map((s) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*'),
        ).test(line)
      : line.includes(want);
  return (stage.op ?? '').startsWith('|') === holds;
}

type Found = Made & { parsed: Labels };

/** In the order of time; or, backward, the last `limit` of them with the newest first. */
function run(expr: string, start: bigint, end: bigint, limit = Number.MAX_SAFE_INTEGER, backward = false): Found[] {
  const query = parseQuery(expr);
  if (!query) return [];
  const first = Math.floor(Number(start / 1_000_000n) / EVERY) - 1;
  const last = Math.min(Math.floor(Date.now() / EVERY), Math.ceil(Number(end / 1_000_000n) / EVERY));
  const out: Found[] = [];
  for (let i = 0; i <= last - first && out.length < limit; i++) {
    const made = make(backward ? last - i : first + i);
    if (made.ns < start || made.ns >= end) continue;
    if (!query.matchers.every((m) => passes(m.op ?? '=', made.stream[m.name ?? ''] ?? '', m.value ?? ''))) continue;
    let parsed: Labels = {};
    const ok = query.stages.every((s) => {
      if (s.kind === 'line') return linePasses(s, made.line);
      if (s.kind === 'parser') {
        const body = parseBody(made.line);
        if (body.kind === s.name) parsed = { ...parsed, ...Object.fromEntries(bodyFields(body)) };
        return true;
      }
      if (s.kind !== 'label') return true;
      return passes(
        s.op ?? '=',
        made.stream[s.name ?? ''] ?? made.metadata[s.name ?? ''] ?? parsed[s.name ?? ''] ?? '',
        s.value ?? '',
      );
    });
    if (ok) out.push({ ...made, parsed });
  }
  return out;
}

function streams(found: readonly Found[]) {
  const groups = new Map<string, { stream: Labels; values: unknown[] }>();
  for (const { ns, stream, metadata, parsed, line } of found) {
    const key = JSON.stringify(stream);
    const group = groups.get(key) ?? { stream, values: [] };
    groups.set(key, group);
    group.values.push([String(ns), line, { structuredMetadata: metadata, parsed }]);
  }
  return [...groups.values()];
}

const METRIC = /^(?:topk\((\d+), )?sum(?: by \((\w+)\))? ?\(count_over_time\((.*)\[(\d+)(ms|s|m)\]\)\)\)?$/s;

function metric(expr: string) {
  const m = METRIC.exec(expr.trim());
  if (!m) return null;
  const unit = { ms: 1_000_000n, s: 1_000_000_000n, m: 60_000_000_000n }[m[5] ?? 's'] ?? 1n;
  return { top: Number(m[1] ?? 0), by: m[2] ?? '', query: m[3] ?? '', range: BigInt(m[4] ?? 1) * unit };
}

function counted(found: readonly Found[], by: string): Map<string, number> {
  const out = new Map<string, number>();
  for (const f of found) {
    const value = by ? (f.stream[by] ?? f.metadata[by] ?? f.parsed[by] ?? '') : '';
    out.set(value, (out.get(value) ?? 0) + 1);
  }
  return out;
}

const labelsOf = (by: string, value: string): Labels => (by && value ? { [by]: value } : {});
const ok = (data: unknown) => ({ status: 200, body: JSON.stringify({ status: 'success', data }) });
const json = (body: unknown) => ({ status: 200, body: JSON.stringify(body) });
const bad = (body: string) => ({ status: 400, body });

function wrong(expr: string): string | null {
  const opened = (expr.match(/[({[]/g) ?? []).length - (expr.match(/[)}\]]/g) ?? []).length;
  if (opened === 0 && parseQuery(expr)) return null;
  return `parse error at line 1, col ${expr.length + 1}: syntax error: unexpected $end`;
}

function range(params: URLSearchParams) {
  const now = BigInt(Date.now()) * 1_000_000n;
  return { start: BigInt(params.get('start') ?? now - 3_600_000_000_000n), end: BigInt(params.get('end') ?? now) };
}

function queryRange(params: URLSearchParams) {
  const expr = params.get('query') ?? '';
  const problem = wrong(expr);
  if (problem) return bad(problem);
  const { start, end } = range(params);
  const m = metric(expr);
  if (!m) {
    const limit = Number(params.get('limit') ?? 100);
    if (limit > 5000)
      return bad(`max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > 5000)`);
    const found = run(expr, start, end, limit, params.get('direction') !== 'forward');
    return ok({ resultType: 'streams', result: streams(found) });
  }
  const step = BigInt(Math.round(Number(params.get('step') ?? 60) * 1000)) * 1_000_000n;
  const rows = new Map<string, [number, string][]>();
  for (let at = start; at <= end; at += step) {
    for (const [value, n] of counted(run(m.query, at - m.range + 1n, at + 1n), m.by)) {
      rows.set(value, [...(rows.get(value) ?? []), [Number(at / 1_000_000n) / 1000, String(n)]]);
    }
  }
  const result = [...rows].map(([value, values]) => ({ metric: labelsOf(m.by, value), values }));
  return ok({ resultType: 'matrix', result });
}

function instant(params: URLSearchParams) {
  const m = metric(params.get('query') ?? '');
  if (!m) return bad('parse error at line 1, col 1: syntax error: unexpected IDENTIFIER');
  const at = BigInt(params.get('time') ?? 0);
  const counts = [...counted(run(m.query, at - m.range, at + 1n), m.by)].sort((a, b) => b[1] - a[1]);
  const kept = m.top > 0 ? counts.slice(0, m.top) : counts;
  const value = (n: number) => [Number(at / 1_000_000n) / 1000, String(n)];
  return ok({ resultType: 'vector', result: kept.map(([v, n]) => ({ metric: labelsOf(m.by, v), value: value(n) })) });
}

function detected(params: URLSearchParams) {
  const { start, end } = range(params);
  const values = new Map<string, { parsers: Set<string>; values: Set<string> }>();
  for (const f of run(params.get('query') ?? '', start, end).slice(-2000)) {
    const body = parseBody(f.line);
    const add = (name: string, value: string, parser?: string) => {
      const known = values.get(name) ?? { parsers: new Set(), values: new Set() };
      values.set(name, known);
      if (parser) known.parsers.add(parser);
      known.values.add(value);
    };
    for (const [name, value] of Object.entries(f.metadata)) add(name, value);
    for (const [name, value] of bodyFields(body)) add(name, value, body.kind);
  }
  const fields = [...values].map(([label, v]) => ({
    label,
    type: [...v.values].every((x) => /^\d+$/.test(x)) ? 'int' : 'string',
    cardinality: v.values.size,
    parsers: v.parsers.size > 0 ? [...v.parsers] : null,
  }));
  return json({ fields, limit: 1000 });
}

/** Answers as Loki does. */
export function answer(path: string, params: URLSearchParams): { status: number; body: string } {
  const names = ['environment', 'region', 'service_name'];
  const { start, end } = range(params);
  if (path === 'query_range') return queryRange(params);
  if (path === 'query') return instant(params);
  if (path === 'labels') return ok(names);
  const label = /^label\/(\w+)\/values$/.exec(path)?.[1];
  if (label)
    return ok(
      [...new Set(run('{service_name=~".+"}', end - 600_000_000_000n, end).map((f) => f.stream[label] ?? ''))].sort(),
    );
  if (path === 'detected_labels') {
    const found = run(params.get('query') ?? '', start, end);
    return json({
      detectedLabels: names.map((name) => ({
        label: name,
        cardinality: new Set(found.map((f) => f.stream[name])).size,
      })),
    });
  }
  if (path === 'detected_fields') return detected(params);
  if (path === 'patterns') {
    const samples = (n: number) =>
      Array.from({ length: 30 }, (_, i) => [Number(start / 1_000_000_000n) + i * 120, (n * (i + 3)) % 17]);
    return ok([
      { pattern: '<_> INFO job <_> finished after <_> ms', level: 'info', samples: samples(7) },
      {
        pattern: 'ts=<_> level=error msg="GET <_>" status=<_> duration=<_> trace_id=<_>',
        level: 'error',
        samples: samples(3),
      },
    ]);
  }
  if (path === 'format_query') {
    const expr = params.get('query') ?? '';
    const problem = wrong(expr);
    return problem
      ? { status: 400, body: JSON.stringify({ status: 'invalid-query', error: problem }) }
      : ok(
          expr
            .replace(/\s*\|\s*/g, ' | ')
            .replace(/ \| ([=~>]) ?/g, ' |$1 ')
            .trim(),
        );
  }
  return { status: 404, body: '404 page not found' };
}

/** Puts the stand-in in the place of the log API of the page. */
export async function standIn(page: Page): Promise<void> {
  await page.route('**/loki/api/v1/**', async (route: Route) => {
    const url = new URL(route.request().url());
    const form = route.request().postData();
    const params = new URLSearchParams(form ?? url.search);
    const { status, body } = answer(url.pathname.replace('/loki/api/v1/', ''), params);
    await route.fulfill({ status, body, contentType: body.startsWith('{') ? 'application/json' : 'text/plain' });
  });
  await page.routeWebSocket('**/loki/api/v1/tail**', (socket) => {
    const expr = new URL(socket.url()).searchParams.get('query') ?? '';
    let from = BigInt(Date.now() - 60_000) * 1_000_000n;
    const send = () => {
      const to = BigInt(Date.now()) * 1_000_000n;
      const found = run(expr, from, to);
      from = to;
      if (found.length > 0) socket.send(JSON.stringify({ streams: streams(found) }));
    };
    send();
    const timer = setInterval(send, 500);
    socket.onClose(() => clearInterval(timer));
  });
}
