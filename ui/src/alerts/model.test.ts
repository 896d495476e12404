// Alerts grouped, filtered and read; annotations that must not become links.
import { describe, expect, it } from 'vitest';
import type { ActiveAlert, RuleGroup } from '../api/rules';
import { type Entry, entriesOf } from '../rules/model';
import { addFilter, fits, readFilters, writeFilters } from './filters';
import {
  alertsOf,
  commonLabels,
  filterAlerts,
  groupAlerts,
  inactiveRules,
  isAlerting,
  labelNames,
  ofState,
  readAnnotations,
  safeLink,
} from './model';
import { levelOf, levelWord, worst } from './severity';
import { readAlerts, toggleLevel } from './state';

const active = (
  labels: Record<string, string>,
  activeAt: string,
  state: ActiveAlert['state'] = 'firing',
): ActiveAlert => ({
  labels,
  annotations: { summary: `${labels.instance ?? ''} is in trouble` },
  state,
  activeAt,
  value: '1e+00',
});

function rule(name: string, severity: string, alerts: ActiveAlert[]) {
  return {
    type: 'alerting' as const,
    name,
    query: `${name} > 1`,
    labels: { severity },
    annotations: {},
    state: alerts[0]?.state ?? ('inactive' as const),
    duration: 0,
    keepFiringFor: 0,
    alerts: alerts.map((a) => ({ ...a, labels: { ...a.labels, alertname: name, severity } })),
    health: 'ok' as const,
    evaluationTime: 0.1,
    lastEvaluation: '2026-01-01T00:00:00Z',
  };
}

const group: RuleGroup = {
  name: 'g',
  file: 'f.yml',
  interval: 15,
  limit: 0,
  evaluationTime: 0.1,
  lastEvaluation: '2026-01-01T00:00:00Z',
  rules: [
    rule('Slow', 'warning', [active({ instance: 'a', job: 'web' }, '2026-01-01T00:00:00Z')]),
    rule('Down', 'critical', [
      active({ instance: 'b', job: 'web' }, '2026-01-01T01:00:00Z'),
      active({ instance: 'c', job: 'web' }, '2026-01-01T02:00:00Z'),
    ]),
    rule('Odd', 'purple', [active({ instance: 'd' }, '0001-01-01T00:00:00Z')]),
    rule('Soon', 'critical', [active({ instance: 'e' }, '2026-01-01T00:00:00Z', 'pending')]),
    rule('Fine', 'critical', []),
  ],
};
const entries: Entry[] = entriesOf({ metrics: [group], logs: [] });
const alerts = alertsOf(entries);
const none = { text: '', levels: [], labels: [] };

describe('groups of alerts', () => {
  const groups = groupAlerts(ofState(alerts, 'firing'), 'alertname');

  it('have the worst first, and what nobody can judge before what is only told', () => {
    expect(groups.map((g) => [g.name, g.level, g.count])).toEqual([
      ['Down', 'critical', 2],
      ['Slow', 'warning', 1],
      ['Odd', 'unknown', 1],
    ]);
  });

  it('say since when, the newest alert first, and what all have in common', () => {
    const [down] = groups;
    expect(down?.since).toBe(Date.parse('2026-01-01T01:00:00Z'));
    expect(down?.rules[0]?.alerts.map((a) => a.labels.instance)).toEqual(['c', 'b']);
    expect(down?.common).toEqual({ alertname: 'Down', job: 'web', severity: 'critical' });
    expect(groups[2]?.since).toBeNull();
    expect(commonLabels(alerts.slice(0, 1))).toEqual({});
  });

  it('may be made by any label; what does not have it is a group too', () => {
    const byJob = groupAlerts(ofState(alerts, 'firing'), 'job');
    expect(byJob.map((g) => [g.name, g.count, g.rules.length])).toEqual([
      ['web', 3, 2],
      ['', 1, 1],
    ]);
    expect(labelNames(alerts, 'gone')).toEqual(['alertname', 'gone', 'instance', 'job', 'severity']);
  });
});

it('filters by words in labels and annotations, and by labels', () => {
  const found = (text: string, match = '') =>
    filterAlerts(alerts, { ...none, text, labels: readFilters(match) }).map((a) => a.labels.instance);
  expect(found('trouble INSTANCE=B')).toEqual(['b']);
  expect(found('', '{job="web", instance!="a"}')).toEqual(['b', 'c']);
  expect(found('', '{job=""}')).toEqual(['d', 'e']);
});

it('lists rules that find nothing apart', () => {
  expect(inactiveRules(entries, none).map((e) => e.rule.name)).toEqual(['Fine']);
  expect(inactiveRules(entries, { ...none, levels: ['warning'] })).toEqual([]);
  expect(inactiveRules(entries, { ...none, labels: readFilters('{alertname="Fine"}') })).toHaveLength(1);
});

describe('filters by label', () => {
  it('survive the address, whatever they hold', () => {
    const filters = [
      { name: 'a', op: '=' as const, value: 'x"y\\z\nw, {b="c"}' },
      { name: 'dotted.name', op: '!=' as const, value: '' },
    ];
    expect(readFilters(writeFilters(filters))).toEqual(filters);
    expect(writeFilters([])).toBeUndefined();
    expect(readFilters('{{{"=')).toEqual([]);
  });

  it('hold one value for each label', () => {
    const one = addFilter([], { name: 'a', op: '=', value: '1' });
    expect(addFilter(one, { name: 'a', op: '=', value: '2' })).toEqual([{ name: 'a', op: '=', value: '2' }]);
    expect(addFilter(one, { name: 'a', op: '!=', value: '2' })).toHaveLength(2);
    expect(addFilter(one, { name: 'a', op: '=', value: '1' })).toHaveLength(1);
    expect(fits({ a: '1' }, one)).toBe(true);
    expect(fits({}, one)).toBe(false);
  });
});

describe('annotations', () => {
  it('lead to web pages only', () => {
    expect(safeLink('https://example.org/a b')).toBe('https://example.org/a%20b');
    for (const text of ['javascript:alert(1)', ' data:text/html,x', 'ftp://x', '//x', 'http://', 'docs/disk.md', '']) {
      expect(safeLink(text), text).toBeNull();
    }
  });

  it('are a summary, a description, a runbook and the rest', () => {
    expect(readAnnotations({ message: 'm', runbook_url: 'http://r/', team: 't' })).toEqual({
      summary: 'm',
      description: '',
      runbook: 'http://r/',
      others: [['team', 't']],
    });
    expect(readAnnotations({ runbook: 'docs/disk.md' })).toMatchObject({
      runbook: null,
      others: [['runbook', 'docs/disk.md']],
    });
    expect(readAnnotations({ runbook: 'http://r/', runbook_url: 'http://r/' })).toMatchObject({
      runbook: 'http://r/',
      others: [],
    });
  });
});

it('knows which series alerts come from', () => {
  const labels = alerts.map((a) => a.labels);
  expect(isAlerting({ __name__: 'up', instance: 'a', job: 'web' }, labels)).toBe(true);
  expect(isAlerting({ instance: 'z', job: 'web' }, labels)).toBe(false);
});

it('reads severities as they are written', () => {
  expect(
    ['page', 'Warn', 'info', 'purple', undefined].map((severity) => levelOf(severity ? { severity } : {})),
  ).toEqual(['critical', 'warning', 'info', 'unknown', 'unknown']);
  expect(levelWord({ severity: 'page' })).toBe('Page');
  expect(levelWord({})).toBe('No severity');
  expect(worst(['info', 'unknown', 'warning'])).toBe('warning');
  expect(worst([])).toBeNull();
});

it('reads the state of the page from any address', () => {
  expect(readAlerts({})).toEqual({
    filter: { text: '', levels: [], labels: [] },
    by: 'alertname',
    open: undefined,
    show: [],
    handled: '',
    detail: '',
  });
  const state = readAlerts({ severity: 'warning,nonsense', by: 'job', open: '', show: 'inactive,x', match: '{a="b"}' });
  expect(state.filter.levels).toEqual(['warning']);
  expect(state.open).toBe('');
  expect(state.show).toEqual(['inactive']);
  expect(toggleLevel(['warning'], 'warning')).toBeUndefined();
  expect(toggleLevel(['warning'], 'critical')).toBe('warning,critical');
});
