// Rules and alerts, as Prometheus lists its own and Loki's ruler the ones over logs: two addresses, one shape.
import { ApiError, get } from './http';
import type { Labels } from './prometheus';

/** What a rule asks: samples with PromQL, or log lines with LogQL. */
export type Source = 'metrics' | 'logs';
export type AlertState = 'unknown' | 'inactive' | 'pending' | 'firing';
export type Health = 'ok' | 'err' | 'unknown';

export type ActiveAlert = {
  labels: Labels;
  annotations: Labels;
  state: AlertState;
  activeAt: string;
  /** Its condition no longer holds; `keep_firing_for` keeps it. */
  keepFiringSince?: string;
  /** A number in Go's scientific form. */
  value: string;
};
type Evaluated = {
  name: string;
  query: string;
  labels?: Labels;
  health: Health;
  lastError?: string;
  /** Seconds. */
  evaluationTime: number;
  lastEvaluation: string;
};
export type AlertingRule = Evaluated & {
  type: 'alerting';
  state: AlertState;
  /** Seconds that the condition must hold before the alert fires. */
  duration: number;
  /** Seconds. */
  keepFiringFor: number;
  annotations: Labels;
  alerts: ActiveAlert[] | null;
};
export type RecordingRule = Evaluated & { type: 'recording' };
export type Rule = AlertingRule | RecordingRule;
export type RuleGroup = {
  name: string;
  file: string;
  rules: Rule[];
  /** Seconds. */
  interval: number;
  limit: number;
  /** Seconds that the last evaluation of all rules took. */
  evaluationTime: number;
  lastEvaluation: string;
};

const ROOT: Record<Source, string> = { metrics: '/api/v1', logs: '/prometheus/api/v1' };

/** A server without logs has no rules over them; that is an answer, not a failure. */
async function unlessAbsent<T>(source: Source, answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    if (source === 'logs' && error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

export function fetchRules(source: Source, signal?: AbortSignal): Promise<RuleGroup[]> {
  const answer = get<{ groups: RuleGroup[] | null }>(`${ROOT[source]}/rules`, {}, signal);
  return unlessAbsent(
    source,
    answer.then(({ data }) => data.groups ?? []),
  );
}

/** Pending and firing ones. */
export function fetchAlerts(source: Source, signal?: AbortSignal): Promise<ActiveAlert[]> {
  const answer = get<{ alerts: ActiveAlert[] | null }>(`${ROOT[source]}/alerts`, {}, signal);
  return unlessAbsent(
    source,
    answer.then(({ data }) => data.alerts ?? []),
  );
}

/** Epoch milliseconds, or null for what never was (Go writes year 1). */
export function whenMs(text: string): number | null {
  const at = Date.parse(text);
  return Number.isFinite(at) && at > 0 ? at : null;
}
