import { describe, expect, it } from 'vitest';
import type { RouteNode, WhatIf } from '../api/alerting';
import { difference, faultsOf, frameOf, grouping, NO_PATH, pathOf, readLabels, treeOf } from './model';

const node = (id: number, parent: number | null, more: Partial<RouteNode> = {}): RouteNode => ({
  id,
  parent,
  receiver: `r${id}`,
  matchers: '{}',
  continue: false,
  groupBy: ['alertname'],
  groupWait: '30s',
  groupInterval: '5m',
  repeatInterval: '4h',
  muteTimeIntervals: [],
  activeTimeIntervals: [],
  ...more,
});

describe('routes', () => {
  it('become a tree in the order of the file', () => {
    const tree = treeOf([node(0, null), node(1, 0), node(2, 1), node(3, 0)]);
    expect(tree?.children.map((child) => child.node.id)).toEqual([1, 3]);
    expect(tree?.children[0]?.children[0]?.node.id).toBe(2);
    expect(treeOf([])).toBeNull();
  });

  it('mark the way of a label set and where it ends', () => {
    const test = {
      receivers: ['r2', 'r3'],
      routes: [
        { path: [0, 1, 2], receiver: 'r2', groupLabels: {} },
        { path: [0, 3], receiver: 'r3', groupLabels: {} },
      ],
      tree: [],
    };
    expect([...pathOf(test).through].sort()).toEqual([0, 1, 2, 3]);
    expect([...pathOf(test).ends]).toEqual([2, 3]);
    expect(pathOf(undefined)).toBe(NO_PATH);
  });

  it('say how they group', () => {
    expect(grouping(node(0, null))).toBe('by alertname');
    expect(grouping(node(0, null, { groupBy: [] }))).toBe('all in one group');
    expect(grouping(node(0, null, { groupBy: ['...'] }))).toBe('each alert alone');
  });
});

it('a label set is read, conditions are not one', () => {
  expect(readLabels('severity="critical", team=web')).toEqual({ severity: 'critical', team: 'web' });
  expect(readLabels('')).toEqual({});
  expect(readLabels('team=~"w.*"')).toBeNull();
  expect(readLabels('team!="web"')).toBeNull();
  expect(readLabels('team')).toBeNull();
});

describe('what another configuration would have done', () => {
  it('is drawn over time', () => {
    const whatIf = {
      timeline: [
        { at: 1000, current: 3, candidate: 1 },
        { at: 2000, current: 0, candidate: 2 },
      ],
    } as WhatIf;
    const frame = frameOf(whatIf);
    expect(frame.times).toEqual([1, 2]);
    expect(frame.series.map((series) => [series.name, series.values])).toEqual([
      ['in force', [3, 0]],
      ['unsaved', [1, 2]],
    ]);
  });

  it('is compared, and its errors are found', () => {
    expect([difference(3, 3), difference(3, 5), difference(5, 3)]).toEqual(['as many', '+2', '−2']);
    expect(faultsOf('/etc/a.d/am-config.yaml:12:3: route.receiver: no "x:1: y"\n/etc/am.yml: empty\nelse')).toEqual([
      { line: 12, text: 'route.receiver: no "x:1: y"' },
      { line: null, text: 'empty' },
      { line: null, text: 'else' },
    ]);
  });
});
