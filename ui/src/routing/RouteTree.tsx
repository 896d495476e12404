// The tree of routes, drawn: the first child whose conditions hold takes an alert, unless it says that others may follow.
import { Link } from '@tanstack/react-router';
import type { RouteNode } from '../api/alerting';
import { Severity } from '../parts/Severity';
import { type Branch, grouping, type Path, timing } from './model';

type Props = { branch: Branch; path: Path };

export function RouteTree(props: Props) {
  return (
    <ul className="route-tree" aria-label="Routes">
      <Node {...props} lead={false} pass={false} />
    </ul>
  );
}

/** `lead`: the line that comes from above goes on to a route of the path; `pass`: it goes on below this one. */
function Node(props: Props & { lead: boolean; pass: boolean }) {
  const { branch, path } = props;
  const { node, children } = branch;
  const on = path.through.has(node.id);
  const last = children.findLastIndex((child) => path.through.has(child.node.id));
  return (
    <li className="route" data-on={on} data-lead={props.lead} data-pass={props.pass}>
      <Card node={node} on={on} told={path.ends.has(node.id)} />
      {children.length > 0 && (
        <ul>
          {children.map((child, i) => (
            <Node key={child.node.id} branch={child} path={path} lead={i <= last} pass={i < last} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Card(props: { node: RouteNode; on: boolean; told: boolean }) {
  const { node, on, told } = props;
  const muted = node.mutedBy ?? [];
  const times = [
    ...node.muteTimeIntervals.map((name) => `quiet during ${name}`),
    ...node.activeTimeIntervals.map((name) => `only during ${name}`),
  ];
  return (
    <div className="route-card" data-told={told}>
      <div className="route-head">
        <code>{node.parent === null ? 'everything' : node.matchers}</code>
        <span aria-hidden="true">→</span>
        <strong>{node.receiver}</strong>
        {told && <span className="route-mark">told</span>}
        {on && !told && <span className="visually-hidden">passed</span>}
        {node.continue && <span className="route-mark">and on to the next</span>}
        {muted.length > 0 && <Severity level="info" word={`Quiet now: ${muted.join(', ')}`} />}
        {(node.alerts ?? 0) > 0 && (
          <Link to="/history" search={{ receiver: node.receiver, from: 'now-24h', to: 'now' }}>
            {node.alerts === 1 ? 'one alert' : `${node.alerts} alerts`} now
          </Link>
        )}
      </div>
      <p className="quiet">
        {[grouping(node), timing(node), ...times].join(' · ')}
        {node.integrations && (node.integrations.length > 0 ? ` · ${node.integrations.join(', ')}` : ' · tells nobody')}
      </p>
    </div>
  );
}
