// Resolution of range queries, and the `$__` variables that Grafana users write into them. Everything in seconds.

const NICE = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000,
];
/** Prometheus refuses more points per series than this. */
const MAX_POINTS = 11_000;
const DURATION = /(\d+)(ms|s|m|h|d|w|y)/g;
const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** Seconds of a Prometheus duration (`1h30m`) or a plain number of seconds; null if it is neither. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) > 0 ? Number(trimmed) : null;
  if (!/^(\d+(ms|s|m|h|d|w|y))+$/.test(trimmed)) return null;
  let total = 0;
  for (const [, count, unit] of trimmed.matchAll(DURATION)) total += Number(count) * (SECONDS[unit ?? ''] ?? 0);
  return total > 0 ? total : null;
}

/**
 * A round step which gives about one point per two pixels. Below 5 s only for ranges so short that few points would be
 * left: finer than the scrape interval shows nothing but stairs.
 */
export function autoStep(rangeSeconds: number, width: number): number {
  const wanted = rangeSeconds / Math.max(width / 2, 50);
  const floor = rangeSeconds <= 120 ? 1 : 5;
  return NICE.find((step) => step >= wanted && step >= floor) ?? Math.ceil(wanted / 2_592_000) * 2_592_000;
}

/** The step of a query: the user's if it gives an answerable number of points, else the automatic one. */
export function chooseStep(option: string, rangeSeconds: number, width: number): number {
  const asked = parseDuration(option);
  if (asked !== null && rangeSeconds / asked <= MAX_POINTS) return asked;
  return autoStep(rangeSeconds, width);
}

/** Both ends on multiples of the step, so that a refresh moves the picture without changing it. */
export function alignRange(start: number, end: number, step: number): { start: number; end: number } {
  return { start: Math.floor(start / step) * step, end: Math.floor(end / step) * step };
}

/** Grafana's scrape interval where none is configured; its rate interval is four of them at least. */
const SCRAPE_INTERVAL = 15;

/** Replaces `$__interval`, `$__rate_interval`, `$__range` (and `_s`, `_ms` forms, and `${...}`). */
export function expandVariables(expr: string, step: number, rangeSeconds: number): string {
  const whole = Math.max(1, Math.round(rangeSeconds));
  const interval = step < 1 ? `${Math.round(step * 1000)}ms` : `${Math.round(step)}s`;
  const values: Record<string, string> = {
    interval,
    interval_ms: String(Math.round(step * 1000)),
    rate_interval: `${Math.max(Math.round(step) + SCRAPE_INTERVAL, 4 * SCRAPE_INTERVAL)}s`,
    range: `${whole}s`,
    range_s: String(whole),
    range_ms: String(whole * 1000),
  };
  return expr.replace(/\$(?:__(\w+)|\{__(\w+)\})/g, (all, a?: string, b?: string) => values[a ?? b ?? ''] ?? all);
}
