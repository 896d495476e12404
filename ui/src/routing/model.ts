// The tree of routes as it is drawn, and the path that a label set takes through it.
import type { RouteNode, RouteTest, WhatIf } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import type { Frame } from '../series/frame';
import { seriesKey } from '../series/labels';
import { parseMatchers } from '../silences/matchers';

export type Branch = { node: RouteNode; children: Branch[] };

/** The root, or null for an answer without one. */
export function treeOf(nodes: readonly RouteNode[]): Branch | null {
  const branches = new Map(nodes.map((node) => [node.id, { node, children: [] } as Branch]));
  let root: Branch | null = null;
  for (const branch of branches.values()) {
    const { parent } = branch.node;
    const above = parent === null ? undefined : branches.get(parent);
    if (above) above.children.push(branch);
    else root ??= branch;
  }
  return root;
}

export type Path = {
  /** Routes that the labels pass through, those that take them among them. */
  through: ReadonlySet<number>;
  /** Routes whose receivers are told. */
  ends: ReadonlySet<number>;
};
export const NO_PATH: Path = { through: new Set(), ends: new Set() };

export const pathOf = (test: RouteTest | undefined): Path =>
  test
    ? {
        through: new Set(test.routes.flatMap((route) => route.path)),
        ends: new Set(test.routes.flatMap((route) => route.path.at(-1) ?? [])),
      }
    : NO_PATH;

/** A label set as it is typed; null where it is none. */
export function readLabels(text: string): Labels | null {
  const matchers = parseMatchers(text);
  if (!matchers?.every((m) => m.isEqual && !m.isRegex)) return null;
  return Object.fromEntries(matchers.map((m) => [m.name, m.value]));
}

/** `after 10s, then every 5m; repeated every 1h` */
export const timing = (node: RouteNode): string =>
  `after ${node.groupWait}, then every ${node.groupInterval}, repeated every ${node.repeatInterval}`;

export const grouping = (node: RouteNode): string =>
  node.groupBy.length === 0
    ? 'all in one group'
    : node.groupBy.includes('...')
      ? 'each alert alone'
      : `by ${node.groupBy.join(', ')}`;

/** Notifications over time under both configurations, as a chart draws them. */
export function frameOf(whatIf: WhatIf): Frame {
  const series = (name: string, values: number[]) => {
    const labels = { configuration: name };
    return { key: seriesKey('A', labels), query: 'A', name, labels, values };
  };
  return {
    times: whatIf.timeline.map((point) => point.at / 1000),
    series: [
      series(
        'in force',
        whatIf.timeline.map((point) => point.current),
      ),
      series(
        'unsaved',
        whatIf.timeline.map((point) => point.candidate),
      ),
    ],
  };
}

/** `+3`, `−12`, `as many` */
export function difference(before: number, after: number): string {
  if (before === after) return 'as many';
  return after > before ? `+${after - before}` : `−${before - after}`;
}

/** One thing wrong with a configuration; without a line where the whole of it is meant. */
export type Fault = { line: number | null; text: string };

/** One line of text for each, as in `/etc/alertmanager-config.yaml:5:3: route.receiver: there is no receiver "x"`. */
export const faultsOf = (message: string): Fault[] =>
  message
    .split('\n')
    .filter((row) => row.trim() !== '')
    .map((row) => {
      const found = /^.*?\.ya?ml:(?:(\d+):)?(?:\d+:)? ?(.*)$/.exec(row);
      return found ? { line: found[1] ? Number(found[1]) : null, text: found[2] ?? row } : { line: null, text: row };
    });
