// Levels of log lines: many spellings, seven meanings.
import type { Labels } from '../api/prometheus';

/** Gravest first, which is also the order of the histogram from the ground up. */
export const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'] as const;
export type LogLevel = (typeof LEVELS)[number];

const SPELLINGS: Record<string, LogLevel> = {
  fatal: 'fatal',
  critical: 'fatal',
  crit: 'fatal',
  alert: 'fatal',
  emerg: 'fatal',
  emergency: 'fatal',
  panic: 'fatal',
  error: 'error',
  err: 'error',
  eror: 'error',
  severe: 'error',
  warn: 'warn',
  warning: 'warn',
  info: 'info',
  information: 'info',
  informational: 'info',
  notice: 'info',
  debug: 'debug',
  dbug: 'debug',
  dbg: 'debug',
  fine: 'debug',
  trace: 'trace',
  trc: 'trace',
  finest: 'trace',
  verbose: 'trace',
};
/** Where a level stands, the server's own finding first. */
const NAMES = ['detected_level', 'level', 'severity', 'severity_text', 'lvl', 'log_level', 'loglevel'];
/** A level that nobody extracted: in JSON or logfmt, near the beginning of the line. */
const IN_TEXT = /(?:^|[\s{,"])(?:level|lvl|severity)"?\s*[:=]\s*"?([a-z]+)/i;
const LOOKED_AT = 500;

export function levelOf(text: string | undefined): LogLevel {
  return (text && SPELLINGS[text.trim().toLowerCase()]) || 'unknown';
}

export function levelIn(sets: readonly Labels[], line: string): LogLevel {
  for (const name of NAMES) {
    for (const labels of sets) {
      const level = levelOf(labels[name]);
      if (level !== 'unknown') return level;
    }
  }
  return levelOf(IN_TEXT.exec(line.slice(0, LOOKED_AT))?.[1]);
}

export const LEVEL_WORD: Record<LogLevel, string> = {
  fatal: 'Fatal',
  error: 'Error',
  warn: 'Warn',
  info: 'Info',
  debug: 'Debug',
  trace: 'Trace',
  unknown: 'None',
};

/** The token of a level's colour. */
export const levelVariable = (level: LogLevel) => `--level-${level}`;
