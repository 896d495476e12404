// What the server tells of its own store, and where its series come from.
import { get } from './http';

export type BlockInfo = {
  file: string;
  tenant: string;
  level: number;
  /** First and last sample, in epoch milliseconds. */
  minTime: number;
  maxTime: number;
  series: number;
  /** Of the file: one for each series and slice of time. */
  rows: number;
  samples: number;
  bytes: number;
  /** Distance of downsampled samples; 0 where samples are as they came in. */
  resolutionMs: number;
  createdMs: number;
};
export type LevelInfo = { level: number; blocks: number; bytes: number };
export type MergeJob = { tenant: string; blocks: number; bytes: number; toLevel: number };
/** Samples that are known to be lost: of a tenant, or of whom is not known. */
export type LossInfo = {
  tenant: string | null;
  minTime: number;
  maxTime: number;
  what: string;
  /** That was put aside. */
  file: string | null;
  rows: number;
  noticedMs: number;
};
export type StoreStatus = {
  head: {
    tenants: number;
    activeSeries: number;
    series: number;
    chunks: number;
    flushIsPending: boolean;
    flushedSamples: number;
  };
  wal: { bytes: number; writtenBytes: number };
  blocks: {
    count: number;
    bytes: number;
    samples: number;
    minTime: number | null;
    maxTime: number | null;
    levels: LevelInfo[];
    damagedReads: number;
    /** A directory, or the address of a bucket. */
    place: string;
    isRemote: boolean;
    /** The newest, up to a bound of the server's. */
    list: BlockInfo[];
  };
  damage: {
    /** Rows that readers could not read since the start. */
    damagedReads: number;
    quarantinedFiles: number;
    quarantinedBytes: number;
    damagedPushGroups: number;
    /** Spans of time that queries warn of, the newest first, up to a bound of the server's. */
    losses: LossInfo[];
    lossCount: number;
  };
  pendingJobs: MergeJob[];
  /** The next flush is due when one of the two bounds is reached; `sinceLastMs` is null while one runs. */
  pendingFlush: {
    isRunning: boolean;
    sinceLastMs: number | null;
    everyMs: number;
    walBytes: number;
    walLimitBytes: number;
  };
  /** Blocks past their retention, and deletions whose samples still take space. */
  pendingRetention: { blocks: number; bytes: number; deletions: number };
  retention: { keepMs: number; maxBytes: number | null; rules: number };
  ingestion: {
    samples: number;
    samplesPerSecond: number;
    /** Over `seriesOverMs`. */
    samplesPerSecondOverHour: number;
    /** The minutes of the last hour that have ended, the oldest first. */
    rates: { time: number; samplesPerSecond: number }[];
    seriesCreatedPerHour: number;
    seriesRemovedPerHour: number;
    seriesOverMs: number;
    rejected: Record<string, number>;
  };
  /** Bytes. */
  memory: {
    budget: number | null;
    head: number;
    headLimit: number | null;
    blockCache: number;
    blockCacheLimit: number;
    blockCacheHits: number;
    blockCacheMisses: number;
    queries: number;
    queriesLimit: number | null;
  };
};

export async function fetchStore(signal?: AbortSignal): Promise<StoreStatus> {
  return (await get<StoreStatus>('/api/afferent/v1/status/store', {}, signal)).data;
}

export type NamedCount = { name: string; value: number };
export type Cardinality = {
  series: number;
  metricCount: number;
  labelPairCount: number;
  seriesCountByMetricName: NamedCount[];
  valueCountByLabelName: NamedCount[];
  seriesCountByLabelPair: NamedCount[];
  label?: { name: string; valueCount: number; seriesCountByValue: NamedCount[] };
  churn: {
    createdPerHour: number;
    removedPerHour: number;
    overMs: number;
    /** Of the tenant that asks; the others are of all tenants. */
    metrics: { name: string; createdPerHour: number; removedPerHour: number }[];
    metricsOverMs: number;
  };
};
export type CardinalityRequest = { selector: string; label: string; search: string; limit: number };

export async function fetchCardinality(request: CardinalityRequest, signal?: AbortSignal): Promise<Cardinality> {
  const params = {
    ...(request.selector ? { 'match[]': [request.selector] } : {}),
    ...(request.label ? { label: request.label } : {}),
    ...(request.search ? { search: request.search } : {}),
    limit: request.limit,
  };
  return (await get<Cardinality>('/api/afferent/v1/status/cardinality', params, signal)).data;
}
