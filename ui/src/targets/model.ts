// Targets as the page lists them: grouped by pool, filtered, and their labels compared before and after relabelling.

import type { Labels } from '../api/prometheus';
import type { ActiveTarget, DroppedTarget, TargetsAnswer } from '../api/targets';
import type { Level } from '../parts/Severity';
import { matchesText } from '../parts/words';
import { parseDuration } from '../time/step';

export type Health = 'up' | 'down' | 'unknown';
export type Filter = { text: string; health: Health[]; pool: string };
export type Pool = {
  name: string;
  up: number;
  down: number;
  unknown: number;
  /** Targets whose last scrape succeeded but lost samples. */
  losing: number;
  dropped: number;
  targets: ActiveTarget[];
};

export const HEALTH_WORD: Record<Health, string> = { up: 'Up', down: 'Down', unknown: 'Unknown' };
export const HEALTH_LEVEL: Record<Health, Level> = { up: 'ok', down: 'critical', unknown: 'unknown' };
export type TargetSort = { column: 'state' | 'endpoint' | 'scrape' | 'duration'; descending: boolean };

const RANK: Record<Health, number> = { down: 0, unknown: 1, up: 2 };
const collator = new Intl.Collator('en', { numeric: true });

export function healthOf(target: ActiveTarget): Health {
  return target.health === 'up' || target.health === 'down' ? target.health : 'unknown';
}

export function targetKey(target: ActiveTarget): string {
  return `${target.scrapePool}|${target.scrapeUrl}`;
}

const pairs = (labels: Labels) => Object.entries(labels).map(([name, value]) => `${name}="${value}"`);

function passes(target: ActiveTarget, filter: Filter): boolean {
  if (filter.health.length > 0 && !filter.health.includes(healthOf(target))) return false;
  if (filter.pool && target.scrapePool !== filter.pool) return false;
  return matchesText(filter.text, [
    target.scrapeUrl,
    target.lastError,
    target.lastWarning ?? '',
    target.scrapePool,
    ...pairs(target.labels),
  ]);
}

/**
 * Pools with what is wrong first. Counts are of all targets of a pool, so that a filter does not hide an outage; the list
 * holds those that pass. Pools without a passing target are left out while a filter is set.
 */
export function groupPools(
  answer: TargetsAnswer,
  poolNames: readonly string[],
  filter: Filter,
  sort: TargetSort = { column: 'state', descending: false },
): Pool[] {
  const pools = new Map<string, Pool>();
  const pool = (name: string): Pool => {
    const known = pools.get(name) ?? { name, up: 0, down: 0, unknown: 0, losing: 0, dropped: 0, targets: [] };
    pools.set(name, known);
    return known;
  };
  for (const name of poolNames) pool(name);
  for (const target of answer.activeTargets) {
    const own = pool(target.scrapePool);
    own[healthOf(target)]++;
    if (target.lastWarning) own.losing++;
    if (passes(target, filter)) own.targets.push(target);
  }
  for (const [name, count] of Object.entries(answer.droppedTargetCounts ?? {})) pool(name).dropped = count;
  const filtering = filter.text.trim() !== '' || filter.health.length > 0 || filter.pool !== '';
  const out = [...pools.values()].filter((p) => !filtering || p.targets.length > 0);
  for (const p of out) p.targets.sort((a, b) => compareTargets(a, b, sort));
  return out.sort((a, b) => Number(b.down > 0) - Number(a.down > 0) || collator.compare(a.name, b.name));
}

function compareTargets(a: ActiveTarget, b: ActiveTarget, sort: TargetSort): number {
  const sign = sort.descending ? -1 : 1;
  const own = {
    state: () => RANK[healthOf(a)] - RANK[healthOf(b)],
    endpoint: () => 0,
    scrape: () => (lastScrapeMs(b) ?? 0) - (lastScrapeMs(a) ?? 0),
    duration: () => a.lastScrapeDuration - b.lastScrapeDuration,
  }[sort.column]();
  if (own !== 0) return sign * own;
  return (sort.column === 'endpoint' ? sign : 1) * collator.compare(a.scrapeUrl, b.scrapeUrl);
}

export function countHealth(answer: TargetsAnswer): Record<Health, number> {
  const counts = { up: 0, down: 0, unknown: 0 };
  for (const target of answer.activeTargets) counts[healthOf(target)]++;
  return counts;
}

/** A relabelling rule in one line, keys as in the configuration; parts that hold their default are left out. */
export function ruleText(rule: Record<string, unknown>): string {
  const defaults: Record<string, unknown> = {
    separator: ';',
    regex: '(.*)',
    replacement: '$1',
    modulus: 0,
    action: '',
  };
  const parts: string[] = [];
  for (const [name, value] of Object.entries(rule)) {
    const key = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (value === null || value === '' || value === defaults[key] || (Array.isArray(value) && value.length === 0))
      continue;
    parts.push(`${key}: ${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}`);
  }
  return parts.join('  ');
}

export function filterDropped(dropped: readonly DroppedTarget[], filter: Filter): DroppedTarget[] {
  return dropped.filter(
    (target) =>
      (!filter.pool || target.scrapePool === filter.pool) && matchesText(filter.text, pairs(target.discoveredLabels)),
  );
}

/** Milliseconds, or null for a target that was never scraped (Go writes year 1). */
export function lastScrapeMs(target: ActiveTarget): number | null {
  const at = Date.parse(target.lastScrape);
  return Number.isFinite(at) && at > 0 ? at : null;
}

/** A target is late when two intervals and a timeout have passed since its last scrape. */
export function isLate(target: ActiveTarget, now: number): boolean {
  const at = lastScrapeMs(target);
  const interval = parseDuration(target.scrapeInterval);
  if (at === null || interval === null) return false;
  return now - at > (2 * interval + (parseDuration(target.scrapeTimeout) ?? 0)) * 1000;
}

export type LabelChange = 'same' | 'changed' | 'added' | 'removed';
export type LabelPair = { name: string; before: string | undefined; after: string | undefined; change: LabelChange };

/** Every label of either side, names sorted, what relabelling did to it. Labels with `__` always go; that is no news. */
export function compareLabels(before: Labels, after: Labels): LabelPair[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  names.sort((a, b) => Number(a.startsWith('__')) - Number(b.startsWith('__')) || (a < b ? -1 : 1));
  return names.map((name) => {
    const left = before[name];
    const right = after[name];
    if (left === undefined) return { name, before: left, after: right, change: 'added' };
    if (right === undefined)
      return { name, before: left, after: right, change: name.startsWith('__') ? 'same' : 'removed' };
    return { name, before: left, after: right, change: left === right ? 'same' : 'changed' };
  });
}
