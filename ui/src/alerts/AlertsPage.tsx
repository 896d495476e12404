// Alerts: what fires now, how bad it is, since when and why; what may fire soon and what is quiet are folded below.
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useRef } from 'react';
import { Severity } from '../parts/Severity';
import { Empty, Note, Progress } from '../parts/States';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { NoRules, Trouble, Unreachable } from '../rules/notes';
import { type Rules, useRules } from '../rules/useRules';
import { formatAgo } from '../time/format';
import { AlertGroups } from './AlertGroups';
import { Controls, FilterPills } from './Controls';
import { Fold, Quiet } from './Folds';
import { addFilter, type LabelFilter, writeFilters } from './filters';
import { alertsOf, blockKey, filterAlerts, groupAlerts, inactiveRules, labelNames, ofLevels, ofState } from './model';
import { fetchSent, isForeign, joinSent, ofHandled } from './sent';
import { NO_FILTER, readAlerts } from './state';
import './alerts.css';

export type SetSearch = (values: Record<string, string | undefined>) => void;

export function AlertsPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const rules = useRules();
  const sent = useLive(['sent'], fetchSent, 2);
  const now = useNow();
  const state = useMemo(() => readAlerts(search), [search]);
  const { filter, by } = state;
  const set: SetSearch = (values) => {
    void navigate({ to: '/alerts', search: (old: Search) => ({ ...old, ...values }), replace: true } as never);
  };
  const { entries } = rules;
  const all = useMemo(() => {
    const own = entries ? alertsOf(entries) : [];
    if (!sent.data) return own;
    return joinSent(own, sent.data, new Set((entries ?? []).map(({ rule }) => rule.query)));
  }, [entries, sent.data]);
  const fitting = useMemo(() => ofHandled(filterAlerts(all, filter), state.handled), [all, filter, state.handled]);
  const firing = useMemo(() => ofState(fitting, 'firing'), [fitting]);
  const groups = useMemo(() => groupAlerts(ofLevels(firing, filter.levels), by), [firing, filter.levels, by]);
  const pending = useMemo(
    () => groupAlerts(ofLevels(ofState(fitting, 'pending'), filter.levels), by),
    [fitting, filter.levels, by],
  );
  const quiet = useMemo(() => (entries ? inactiveRules(entries, filter) : []), [entries, filter]);

  // The first graph opens by itself once all rules are known, and stays where it is when something worse comes above it.
  const first = useRef<string | undefined>(undefined);
  const worst = groups.find((group) => group.rules[0] && !isForeign(group.rules[0].from));
  const [rule] = worst?.rules ?? [];
  if (!rules.loading && worst && rule) first.current ??= blockKey(by, worst, rule);
  const open = state.open ?? first.current ?? '';

  if (!entries) {
    return rules.missing.length === 2 ? (
      <div className="alerts">
        <Unreachable rules={rules}>Alerts</Unreachable>
      </div>
    ) : (
      <Progress active />
    );
  }
  const watching = entries.filter((entry) => entry.rule.type === 'alerting');
  const blind = watching.filter((entry) => entry.rule.health === 'err').length;
  const filterBy = (label: LabelFilter) => set({ match: writeFilters(addFilter(filter.labels, label)) });
  const listed = { by, now, open, detail: state.detail, set, filterBy, done: sent.retry };
  const pendingCount = pending.reduce((sum, group) => sum + group.count, 0);
  const nothingFires = ofState(all, 'firing').length === 0;
  return (
    <div className="alerts">
      {(watching.length > 0 || all.length > 0) && (
        <Controls
          alerts={firing}
          filter={filter}
          by={by}
          names={labelNames(all, by)}
          handled={state.handled}
          set={set}
        />
      )}
      <FilterPills filters={filter.labels} set={set} />
      <Trouble rules={rules} now={now} />
      {sent.error && (
        <Note
          level="warning"
          word="Partial"
          action={
            <button type="button" className="button small" onClick={sent.retry}>
              Retry
            </button>
          }
        >
          What is silenced and acknowledged, and what others have sent, could not be read ({sent.error.message}).
        </Note>
      )}
      {blind > 0 && (
        <Note
          level="warning"
          word="Blind"
          action={
            <Link className="button small" to="/rules" search={{ health: 'err', kind: 'alerting' }}>
              Show {blind === 1 ? 'it' : 'them'}
            </Link>
          }
        >
          {blind === 1 ? 'One alerting rule fails' : `${blind} alerting rules fail`}: what{' '}
          {blind === 1 ? 'it watches' : 'they watch'} for is not noticed.
        </Note>
      )}
      {watching.length === 0 && rules.missing.length === 0 && all.length === 0 && (
        <NoRules title="No alerting rules yet">
          What fires would be listed here, the worst first, with its graph and its runbook.
        </NoRules>
      )}
      {watching.length > 0 && nothingFires && <Calm rules={rules} watching={watching.length} now={now} />}
      {!nothingFires && groups.length === 0 && (
        <Empty title="No firing alert fits the filter">
          <p>
            <button type="button" className="button" onClick={() => set(NO_FILTER)}>
              Clear the filter
            </button>
          </p>
        </Empty>
      )}
      <AlertGroups groups={groups} {...listed} />
      {pendingCount > 0 && (
        <Fold part="pending" title="Pending" says={`${pendingCount} may fire soon`} show={state.show} set={set}>
          <AlertGroups groups={pending} {...listed} />
        </Fold>
      )}
      {quiet.length > 0 && (
        <Fold
          part="inactive"
          title="Inactive"
          says={quiet.length === 1 ? 'one rule finds nothing' : `${quiet.length} rules find nothing`}
          show={state.show}
          set={set}
        >
          <Quiet rules={quiet} />
        </Fold>
      )}
    </div>
  );
}

function Calm(props: { rules: Rules; watching: number; now: number }) {
  const { rules, watching } = props;
  const unknown = (rules.entries ?? []).filter(
    ({ rule }) => rule.type === 'alerting' && rule.state === 'unknown',
  ).length;
  const whole = rules.missing.length === 0;
  return (
    <Empty title="Nothing fires">
      <p>
        <Severity
          level={whole && unknown === 0 ? 'ok' : 'unknown'}
          word={
            whole ? `${watching} alerting ${watching === 1 ? 'rule watches' : 'rules watch'}` : 'As far as is known'
          }
        />
        <span className="quiet">
          {unknown > 0 && `, ${unknown} of them not evaluated yet`}, as of{' '}
          {formatAgo(rules.at, Math.max(props.now, rules.at))}
        </span>
      </p>
    </Empty>
  );
}
