import { describe, expect, it } from 'vitest';
import type { ActiveTarget, TargetsAnswer } from '../api/targets';
import { compareLabels, countHealth, groupPools, isLate, lastScrapeMs, ruleText } from './model';

const target = (over: Partial<ActiveTarget>): ActiveTarget => ({
  discoveredLabels: {},
  labels: { job: 'a' },
  scrapePool: 'a',
  scrapeUrl: 'http://a:1/metrics',
  globalUrl: 'http://a:1/metrics',
  lastError: '',
  lastScrape: '2026-01-31T10:00:00.5Z',
  lastScrapeDuration: 0.01,
  health: 'up',
  scrapeInterval: '15s',
  scrapeTimeout: '10s',
  ...over,
});
const answer: TargetsAnswer = {
  activeTargets: [
    target({}),
    target({ scrapeUrl: 'http://a:10/metrics' }),
    target({ scrapeUrl: 'http://a:9/metrics', health: 'down', lastError: 'connection refused' }),
    target({ scrapePool: 'z', scrapeUrl: 'http://z:1/metrics', labels: { job: 'z', team: 'core' } }),
  ],
  droppedTargets: [],
  droppedTargetCounts: { a: 2 },
};
const all = { text: '', health: [], pool: '' };

describe('pools', () => {
  it('come with what is wrong first, whole counts, and empty pools', () => {
    const pools = groupPools(answer, ['a', 'empty', 'z'], all);
    expect(pools.map((p) => p.name)).toEqual(['a', 'empty', 'z']);
    expect(pools[0]).toMatchObject({ up: 2, down: 1, unknown: 0, dropped: 2 });
    expect(pools[0]?.targets.map((t) => t.scrapeUrl)).toEqual([
      'http://a:9/metrics',
      'http://a:1/metrics',
      'http://a:10/metrics',
    ]);
    expect(countHealth(answer)).toEqual({ up: 3, down: 1, unknown: 0 });
  });

  it('filter by words, state and pool without changing the counts', () => {
    expect(groupPools(answer, [], { ...all, text: 'REFUSED a:9' })[0]?.targets).toHaveLength(1);
    const down = groupPools(answer, ['empty'], { ...all, health: ['down'] });
    expect(down).toHaveLength(1);
    expect(down[0]).toMatchObject({ up: 2, down: 1 });
    expect(groupPools(answer, [], { ...all, text: 'team="core"' }).map((p) => p.name)).toEqual(['z']);
    expect(groupPools(answer, [], { ...all, pool: 'z' }).map((p) => p.name)).toEqual(['z']);
  });

  it('sort within a pool', () => {
    const urls = groupPools(answer, [], all, { column: 'endpoint', descending: true })[0]?.targets.map(
      (t) => t.scrapeUrl,
    );
    expect(urls).toEqual(['http://a:10/metrics', 'http://a:9/metrics', 'http://a:1/metrics']);
  });
});

describe('lateness', () => {
  it('begins after two intervals and a timeout', () => {
    const at = lastScrapeMs(target({})) ?? 0;
    expect(isLate(target({}), at + 39_000)).toBe(false);
    expect(isLate(target({}), at + 41_000)).toBe(true);
  });
  it('does not concern a target that was never scraped', () => {
    const fresh = target({ lastScrape: '0001-01-01T00:00:00Z' });
    expect(lastScrapeMs(fresh)).toBeNull();
    expect(isLate(fresh, Date.UTC(2026, 0, 1))).toBe(false);
  });
});

describe('relabelling', () => {
  it('marks what changed; internal labels go without saying', () => {
    const pairs = compareLabels(
      { __address__: 'h:1', env: 'dev', job: 'a', keep: 'k' },
      { instance: 'h:1', job: 'b', keep: 'k' },
    );
    expect(pairs.map((p) => [p.name, p.change])).toEqual([
      ['env', 'removed'],
      ['instance', 'added'],
      ['job', 'changed'],
      ['keep', 'same'],
      ['__address__', 'same'],
    ]);
  });

  it('prints a rule in the keys of the configuration, without defaults', () => {
    const rule = {
      sourceLabels: ['a', 'b'],
      separator: ';',
      regex: '(.+)',
      targetLabel: 'c',
      replacement: '$1',
      action: 'replace',
    };
    expect(ruleText(rule)).toBe('source_labels: [a, b]  regex: (.+)  target_label: c  action: replace');
  });
});

it('a target that is up but loses samples is counted and found by what it says', () => {
  const lossy = target({
    scrapeUrl: 'http://a:2/metrics',
    lastWarning: '2 samples dropped: timestamp too far in the future',
  });
  const answer = { activeTargets: [target({}), lossy], droppedTargets: [] };
  const [pool] = groupPools(answer, [], { text: 'future', health: [], pool: '' });
  expect(pool?.losing).toBe(1);
  expect(pool?.targets).toEqual([lossy]);
});
