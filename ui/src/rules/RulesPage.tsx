// Rules: what is evaluated, how it went, how long it took, and what it found.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { Empty, Note, Progress } from '../parts/States';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { Controls, ListHead } from './Controls';
import { countRules, filterEntries, isLate, pace } from './model';
import { NoRules, Trouble, Unreachable } from './notes';
import { RuleList } from './RuleList';
import { NO_FILTER, readFilter, readOrder } from './state';
import { useRules } from './useRules';
import './rules.css';

export function RulesPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const rules = useRules();
  const now = useNow();
  const filter = useMemo(() => readFilter(search), [search]);
  const order = readOrder(search);
  const { entries } = rules;
  const shown = useMemo(() => (entries ? filterEntries(entries, filter) : []), [entries, filter]);
  const set = (values: Record<string, string | undefined>) => {
    void navigate({ to: '/rules', search: (old: Search) => ({ ...old, ...values }), replace: true } as never);
  };

  if (!entries) {
    return rules.missing.length === 2 ? (
      <div className="rules">
        <Unreachable rules={rules}>Rules</Unreachable>
      </div>
    ) : (
      <Progress active />
    );
  }
  const groups = [...new Set(entries.map((entry) => entry.group))];
  const over = groups.filter((group) => pace(group) === 'over').length;
  const late = rules.stale.length === 0 ? groups.filter((group) => isLate(group, rules.at)).length : 0;
  return (
    <div className="rules">
      {entries.length > 0 && <Controls counts={countRules(entries)} filter={filter} order={order} set={set} />}
      <Trouble rules={rules} now={now} />
      {over > 0 && (
        <Note level="warning" word="Slow">
          {over === 1 ? 'One group takes' : `${over} groups take`} longer than the interval: evaluations are missed, and
          alerts come late. Split the group, or make its slowest rules cheaper.
        </Note>
      )}
      {late > 0 && (
        <Note level="warning" word="Late">
          {late === 1 ? 'One group was' : `${late} groups were`} not evaluated for two intervals. The server may be
          overloaded.
        </Note>
      )}
      {entries.length === 0 && rules.missing.length === 0 && (
        <NoRules title="No rules yet">
          Every rule would be listed here with its state, its last evaluation and its error, if it has one.
        </NoRules>
      )}
      {entries.length > 0 && shown.length === 0 && (
        <Empty title="No rule fits the filter">
          <p>
            <button type="button" className="button" onClick={() => set(NO_FILTER)}>
              Clear the filter
            </button>
          </p>
        </Empty>
      )}
      {shown.length > 0 && <ListHead shown={shown} all={entries.length} />}
      <RuleList entries={shown} order={order} open={search.open ?? ''} search={search} now={now} />
    </div>
  );
}
