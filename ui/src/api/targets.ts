// Scrape targets as `/api/v1/targets` and its neighbours describe them.
import { get } from './http';
import type { Labels } from './prometheus';

export type ActiveTarget = {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  /** What the last scrape lost although it succeeded; Prometheus does not tell. */
  lastWarning?: string;
  lastScrape: string;
  /** Seconds. */
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval: string;
  scrapeTimeout: string;
};
export type DroppedTarget = { discoveredLabels: Labels; scrapePool?: string };
export type TargetsAnswer = {
  activeTargets: ActiveTarget[];
  droppedTargets: DroppedTarget[];
  droppedTargetCounts?: Record<string, number>;
  /** By pool: settings that cannot be used, discovery that fails; Prometheus does not tell. */
  scrapePoolErrors?: Record<string, string[]>;
};

export async function fetchTargets(signal?: AbortSignal): Promise<TargetsAnswer> {
  const { data } = await get<TargetsAnswer>('/api/v1/targets', { state: 'any' }, signal);
  return { ...data, activeTargets: data.activeTargets ?? [], droppedTargets: data.droppedTargets ?? [] };
}

export async function fetchScrapePools(signal?: AbortSignal): Promise<string[]> {
  return (await get<{ scrapePools: string[] | null }>('/api/v1/scrape_pools', {}, signal)).data.scrapePools ?? [];
}

export type RelabelRule = Record<string, unknown>;
export type RelabelStep = { rule: RelabelRule; output: Labels; keep: boolean };

/** Rule by rule, what relabelling makes of a discovered label set. Servers before Prometheus 3.8 answer 404. */
export async function fetchRelabelSteps(pool: string, labels: Labels, signal?: AbortSignal): Promise<RelabelStep[]> {
  const params = { scrapePool: pool, labels: JSON.stringify(labels) };
  return (await get<{ steps: RelabelStep[] | null }>('/api/v1/targets/relabel_steps', params, signal)).data.steps ?? [];
}
