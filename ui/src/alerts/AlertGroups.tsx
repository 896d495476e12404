// Groups of alerts: what they are about, how bad, how many and since when; then rule by rule, with its graph.
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import type { Labels } from '../api/prometheus';
import { Code } from '../editor/Code';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import { exactly } from '../silences/matchers';
import { silenceSearch } from '../silences/state';
import { formatDuration } from '../time/format';
import { AlertRow, LabelPills } from './AlertRow';
import type { SetSearch } from './AlertsPage';
import type { LabelFilter } from './filters';
import { type Alert, type AlertGroup, blockKey, type RuleAlerts, safeLink } from './model';
import { isForeign } from './sent';
import { LEVEL_WORD } from './severity';

const RuleGraph = lazy(() => import('./RuleGraph'));

/** Alerts of one rule before a click is needed for more. */
const SHOWN = 10;

export type Listed = {
  by: string;
  now: number;
  open: string;
  /** The alert that is unfolded. */
  detail: string;
  set: SetSearch;
  done: () => void;
  filterBy: (label: LabelFilter) => void;
};

export function AlertGroups(props: Listed & { groups: readonly AlertGroup[] }) {
  return props.groups.map((group) => <Group key={group.name} {...props} group={group} />);
}

/** What the head of a group or the mark of an alert says already. */
function besides(labels: Labels, by: string): Labels {
  const { alertname: _name, severity: _severity, [by]: _by, ...others } = labels;
  return others;
}

function Group(props: Listed & { group: AlertGroup }) {
  const { group, by } = props;
  const title = group.name || `No ${by}`;
  return (
    <section className="alert-group" aria-label={title} data-level={group.level}>
      <div className="alert-group-head">
        <h2>
          <Severity level={group.level} word={LEVEL_WORD[group.level]} /> {title}
        </h2>
        <span>
          {group.count} {group.count === 1 ? 'alert' : 'alerts'}
        </span>
        <span className="quiet">
          {group.count === 1 ? 'since' : 'first'} <When at={group.since} now={props.now} never="an unknown time" />
        </span>
        <LabelPills labels={besides(group.common, by)} filterBy={props.filterBy} />
        {group.count > 1 && Object.keys(group.common).length > 0 && (
          <>
            <span className="spread" />
            <Link
              className="button small"
              to="/silences"
              search={silenceSearch(exactly(group.common))}
              aria-label={`Silence all of ${title}`}
            >
              Silence all {group.count}
            </Link>
          </>
        )}
      </div>
      {group.rules.map((rule) => (
        <Block key={rule.from.key} {...props} rule={rule} />
      ))}
    </section>
  );
}

function Block(props: Listed & { group: AlertGroup; rule: RuleAlerts }) {
  const { group, rule: block, by, set } = props;
  const { rule, from, alerts } = block;
  const [shown, setShown] = useState(SHOWN);
  const key = blockKey(by, group, block);
  const open = props.open === key;
  const rest = alerts.length - shown;
  const hidden = new Set(Object.keys(group.common));
  return (
    <div className="alert-block">
      <ul className="alert-rows">
        {alerts.slice(0, shown).map((alert) => {
          const own = Object.entries(besides(alert.labels, by)).filter(([name]) => !hidden.has(name));
          return (
            <AlertRow
              key={alert.key}
              alert={alert}
              rule={rule}
              labels={Object.fromEntries(own)}
              now={props.now}
              filterBy={props.filterBy}
              open={props.detail === alert.key}
              toggle={() => set({ detail: props.detail === alert.key ? undefined : alert.key })}
              done={props.done}
            />
          );
        })}
      </ul>
      {rest > 0 && (
        <div className="row">
          <span className="quiet">
            {shown} of {alerts.length} are listed. Filter by a label, or
          </span>
          <button type="button" className="button small" onClick={() => setShown(shown + 5 * SHOWN)}>
            Show {Math.min(rest, 5 * SHOWN)} more
          </button>
        </div>
      )}
      {isForeign(from) ? (
        <Foreign alerts={alerts} />
      ) : (
        <div className="alert-rule">
          <button
            type="button"
            className="button small"
            aria-expanded={open}
            onClick={() => set({ open: open ? '' : key })}
          >
            {open ? 'Hide graph' : 'Graph'}
          </button>
          <Link className="alert-rule-name" to="/rules" search={{ open: from.key }} title={`Group ${from.group.name}`}>
            {by === 'alertname' ? 'Rule' : rule.name}
          </Link>
          <span className="alert-expression">
            <Code text={rule.query.replace(/\s+/g, ' ')} source={from.source} />
          </span>
          {rule.duration > 0 && <span className="quiet">for {formatDuration(rule.duration)}</span>}
        </div>
      )}
      {open && !isForeign(from) && (
        <Suspense fallback={<div className="alert-graph" />}>
          <RuleGraph block={block} level={group.level} />
        </Suspense>
      )}
    </div>
  );
}

/** No rule here has made them, so there is no graph; the sender may have one. */
function Foreign(props: { alerts: readonly Alert[] }) {
  const link = safeLink(props.alerts.find((alert) => alert.sent?.generatorURL)?.sent?.generatorURL);
  return (
    <div className="alert-rule">
      <span className="quiet">Sent by another system</span>
      {link && (
        <a href={link} target="_blank" rel="noreferrer" title={link}>
          Open its source
        </a>
      )}
    </div>
  );
}
