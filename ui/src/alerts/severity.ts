// How bad an alert is: what its labels say, in the five levels of the application.
import type { Labels } from '../api/prometheus';
import type { Level } from '../parts/Severity';

const WORDS: Record<string, Level> = {
  critical: 'critical',
  crit: 'critical',
  page: 'critical',
  fatal: 'critical',
  emergency: 'critical',
  disaster: 'critical',
  error: 'critical',
  high: 'critical',
  p1: 'critical',
  sev1: 'critical',
  warning: 'warning',
  warn: 'warning',
  ticket: 'warning',
  medium: 'warning',
  average: 'warning',
  p2: 'warning',
  sev2: 'warning',
  info: 'info',
  information: 'info',
  informational: 'info',
  notice: 'info',
  low: 'info',
  p3: 'info',
  sev3: 'info',
};

/** Worst first. Without a known word nobody can tell how bad it is, which is worse than being told that it is not. */
export const LEVELS: readonly Level[] = ['critical', 'warning', 'unknown', 'info', 'ok'];
export const LEVEL_WORD: Record<Level, string> = {
  critical: 'Critical',
  warning: 'Warning',
  info: 'Info',
  ok: 'Ok',
  unknown: 'No severity',
};

export const rankOf = (level: Level): number => LEVELS.indexOf(level);

export function levelOf(labels: Labels): Level {
  return WORDS[(labels.severity ?? '').toLowerCase()] ?? 'unknown';
}

/** What the label itself says, as a word to read; `page` stays `Page`. */
export function levelWord(labels: Labels): string {
  const text = labels.severity ?? '';
  return text === '' ? LEVEL_WORD.unknown : text.charAt(0).toUpperCase() + text.slice(1);
}

export function worst(levels: Iterable<Level>): Level | null {
  let found: Level | null = null;
  for (const level of levels) if (found === null || rankOf(level) < rankOf(found)) found = level;
  return found;
}
