// Rules as the page lists them: by file and group, filtered, with what is wrong first; or the slowest of all first.
import { levelOf, worst } from '../alerts/severity';
import { type AlertState, type Health, type Rule, type RuleGroup, type Source, whenMs } from '../api/rules';
import type { Level } from '../parts/Severity';
import { matchesText } from '../parts/words';
import { formatLabels, hashText } from '../series/labels';

export type Kind = 'alerting' | 'recording';
export type Filter = { text: string; state: AlertState[]; health: Health[]; kind: Kind | '' };
export type Order = 'file' | 'slowest';
export type Answers = Record<Source, readonly RuleGroup[]>;
/** A rule with where it stands. `key` is its identity on the pages and in addresses. */
export type Entry = { key: string; source: Source; group: RuleGroup; rule: Rule };
export type GroupList = { group: RuleGroup; source: Source; rules: Entry[] };
export type FileList = { path: string; source: Source; groups: GroupList[] };

export const STATES: readonly AlertState[] = ['firing', 'pending', 'inactive', 'unknown'];
export const STATE_WORD: Record<AlertState, string> = {
  firing: 'Firing',
  pending: 'Pending',
  inactive: 'Inactive',
  unknown: 'Unknown',
};
export const HEALTH_WORD: Record<Health, string> = { ok: 'Healthy', err: 'Failing', unknown: 'Not evaluated' };
export const HEALTH_LEVEL: Record<Health, Level> = { ok: 'ok', err: 'critical', unknown: 'unknown' };

const collator = new Intl.Collator('en', { numeric: true });

/** Rules have no name of their own in a group; equal ones are told apart by their place among themselves. */
export function entriesOf(answers: Answers): Entry[] {
  const seen = new Map<string, number>();
  return (['metrics', 'logs'] as const).flatMap((source) =>
    answers[source].flatMap((group) =>
      group.rules.map((rule) => {
        const parts = [
          source,
          group.file,
          group.name,
          rule.type,
          rule.name,
          rule.query,
          formatLabels(rule.labels ?? {}),
        ];
        const hash = hashText(parts.join('\u0001')).toString(36);
        const before = seen.get(hash) ?? 0;
        seen.set(hash, before + 1);
        return { key: before === 0 ? hash : `${hash}-${before}`, source, group, rule };
      }),
    ),
  );
}

export const stateOf = (rule: Rule): AlertState | null => (rule.type === 'alerting' ? rule.state : null);

/** What fires is as bad as the worst of its alerts; what may fire soon is worth knowing, and no more yet. */
export function stateLevel(rule: Rule): Level {
  const state = stateOf(rule);
  if (state === 'firing' && rule.type === 'alerting') {
    const firing = (rule.alerts ?? []).filter((alert) => alert.state === 'firing');
    return worst(firing.map((alert) => levelOf(alert.labels))) ?? levelOf(rule.labels ?? {});
  }
  if (state === 'pending') return 'info';
  return state === 'inactive' ? 'ok' : 'unknown';
}

function passes({ rule, group }: Entry, filter: Filter): boolean {
  const state = stateOf(rule);
  if (filter.kind && rule.type !== filter.kind) return false;
  if (filter.state.length > 0 && (state === null || !filter.state.includes(state))) return false;
  if (filter.health.length > 0 && !filter.health.includes(rule.health)) return false;
  const labels = Object.entries(rule.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const annotations = rule.type === 'alerting' ? Object.values(rule.annotations) : [];
  const texts = [rule.name, rule.query, rule.lastError ?? '', group.name, group.file, ...labels, ...annotations];
  return matchesText(filter.text, texts);
}

export const filterEntries = (entries: readonly Entry[], filter: Filter): Entry[] =>
  entries.filter((entry) => passes(entry, filter));

/** 0: needs somebody now, 3: nothing to see. */
function urgency(group: GroupList): number {
  if (group.rules.some(({ rule }) => rule.health === 'err')) return 0;
  if (pace(group.group) === 'over') return 1;
  if (group.rules.some(({ rule }) => stateOf(rule) === 'firing')) return 2;
  return 3;
}

/** Files with failing rules, then with firing alerts, come first; rules stay in the order of their file, which is that of evaluation. */
export function groupByFile(entries: readonly Entry[]): FileList[] {
  const files = new Map<string, FileList>();
  const groups = new Map<RuleGroup, GroupList>();
  for (const entry of entries) {
    const { source, group } = entry;
    const id = `${source} ${group.file}`;
    const file = files.get(id) ?? { path: group.file, source, groups: [] };
    files.set(id, file);
    const list = groups.get(group) ?? { group, source, rules: [] };
    if (!groups.has(group)) file.groups.push(list);
    groups.set(group, list);
    list.rules.push(entry);
  }
  const out = [...files.values()];
  const rank = new Map(out.map((file) => [file, Math.min(...file.groups.map(urgency))]));
  for (const file of out) file.groups.sort((a, b) => urgency(a) - urgency(b));
  return out.sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || collator.compare(a.path, b.path));
}

export const slowestFirst = (entries: readonly Entry[]): Entry[] =>
  [...entries].sort((a, b) => b.rule.evaluationTime - a.rule.evaluationTime);

/** Cuts a list of files after so many rules, as they stand. */
export function cutFiles(files: readonly FileList[], most: number): FileList[] {
  let left = most;
  const out: FileList[] = [];
  for (const file of files) {
    const groups: GroupList[] = [];
    for (const group of file.groups) {
      if (left <= 0) break;
      groups.push({ ...group, rules: group.rules.slice(0, left) });
      left -= group.rules.length;
    }
    if (groups.length > 0) out.push({ ...file, groups });
  }
  return out;
}

/** The part of its interval that the last evaluation of a group took. */
export const shareOf = (group: RuleGroup): number => (group.interval > 0 ? group.evaluationTime / group.interval : 0);

/** From this share on a little more load makes a group miss evaluations. */
const NEAR = 0.8;

export function pace(group: RuleGroup): 'fine' | 'near' | 'over' {
  const share = shareOf(group);
  if (share >= 1) return 'over';
  return share >= NEAR ? 'near' : 'fine';
}

/** Evaluations are late when two intervals have passed since the last one. */
export function isLate(group: RuleGroup, now: number): boolean {
  const at = whenMs(group.lastEvaluation);
  return at !== null && now - at > (2 * group.interval + 10) * 1000;
}

export type Counts = {
  state: Record<AlertState, number>;
  level: Record<AlertState, Level>;
  health: Record<Health, number>;
  all: number;
};

export function countRules(entries: readonly Entry[]): Counts {
  const counts: Counts = {
    state: { unknown: 0, inactive: 0, pending: 0, firing: 0 },
    level: { unknown: 'unknown', inactive: 'ok', pending: 'info', firing: 'critical' },
    health: { ok: 0, err: 0, unknown: 0 },
    all: entries.length,
  };
  for (const { rule } of entries) {
    counts.health[rule.health]++;
    const state = stateOf(rule);
    if (state) counts.state[state]++;
  }
  const firing = entries.filter(({ rule }) => stateOf(rule) === 'firing');
  counts.level.firing = worst(firing.map(({ rule }) => stateLevel(rule))) ?? 'critical';
  return counts;
}

/** The end of a path, which says most, and what stands before it. */
export function splitPath(path: string): { folder: string; name: string } {
  const at = path.lastIndexOf('/') + 1;
  return { folder: path.slice(0, at), name: path.slice(at) };
}

/** Where the expression of a rule is looked into. */
export function queryLink(
  source: Source,
  query: string,
): { to: '/explore'; search: { A: string } } | { to: '/logs'; search: { q: string } } {
  return source === 'metrics' ? { to: '/explore', search: { A: query } } : { to: '/logs', search: { q: query } };
}
