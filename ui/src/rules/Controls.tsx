// Filters of the page of rules: words, state, health, kind; the order; and the list as CSV.
import { whenMs } from '../api/rules';
import { CopyButton } from '../parts/Copy';
import { Severity } from '../parts/Severity';
import { csvRows } from '../series/csv';
import { formatLabels } from '../series/labels';
import { useTime } from '../shell/time';
import { zoneName } from '../time/format';
import {
  type Counts,
  type Entry,
  type Filter,
  HEALTH_LEVEL,
  HEALTH_WORD,
  type Order,
  STATE_WORD,
  stateOf,
} from './model';

type Props = {
  counts: Counts;
  filter: Filter;
  order: Order;
  set: (values: Record<string, string | undefined>) => void;
};

function csvOf(entries: readonly Entry[]): string {
  const head = ['source', 'file', 'group', 'kind', 'name', 'state', 'health', 'error', 'last_evaluation'];
  const rows = entries.map(({ source, group, rule }) => {
    const at = whenMs(rule.lastEvaluation);
    return [
      ...[source, group.file, group.name, rule.type, rule.name, stateOf(rule) ?? '', rule.health, rule.lastError ?? ''],
      at === null ? '' : new Date(at).toISOString(),
      rule.evaluationTime,
      rule.query,
      formatLabels(rule.labels ?? {}),
    ];
  });
  return csvRows([[...head, 'evaluation_seconds', 'expression', 'labels'], ...rows]);
}

const toggled = <T extends string>(list: readonly T[], value: T): string | undefined =>
  (list.includes(value) ? list.filter((v) => v !== value) : [...list, value]).join(',') || undefined;

export function Controls(props: Props) {
  const { counts, filter, set } = props;
  return (
    <div className="row">
      <input
        className="input rules-filter"
        placeholder="Filter by any text of a rule"
        aria-label="Filter rules"
        value={filter.text}
        onChange={(event) => set({ q: event.target.value || undefined })}
      />
      <fieldset className="joined rules-buttons" aria-label="State">
        {(['firing', 'pending', 'inactive'] as const).map((state) => (
          <button
            key={state}
            type="button"
            className="button"
            aria-pressed={filter.state.includes(state)}
            onClick={() => set({ state: toggled(filter.state, state) })}
          >
            {counts.state[state] > 0 ? (
              <Severity level={counts.level[state]} word={STATE_WORD[state]} />
            ) : (
              STATE_WORD[state]
            )}{' '}
            {counts.state[state]}
          </button>
        ))}
      </fieldset>
      <fieldset className="joined rules-buttons" aria-label="Health">
        {(['err', 'unknown', 'ok'] as const).map((health) => (
          <button
            key={health}
            type="button"
            className="button"
            aria-pressed={filter.health.includes(health)}
            onClick={() => set({ health: toggled(filter.health, health) })}
          >
            {counts.health[health] > 0 ? (
              <Severity level={HEALTH_LEVEL[health]} word={HEALTH_WORD[health]} />
            ) : (
              HEALTH_WORD[health]
            )}{' '}
            {counts.health[health]}
          </button>
        ))}
      </fieldset>
      <select
        className="select"
        aria-label="Kind"
        value={filter.kind}
        onChange={(event) => set({ kind: event.target.value || undefined })}
      >
        <option value="">All kinds</option>
        <option value="alerting">Alerting</option>
        <option value="recording">Recording</option>
      </select>
      <select
        className="select"
        aria-label="Order"
        value={props.order}
        onChange={(event) => set({ order: event.target.value === 'file' ? undefined : event.target.value })}
      >
        <option value="file">By file</option>
        <option value="slowest">Slowest first</option>
      </select>
    </div>
  );
}

/** How much of it is listed, in which zone its times are, and the list to take away. */
export function ListHead(props: { shown: readonly Entry[]; all: number }) {
  const { shown, all } = props;
  const { zone } = useTime();
  return (
    <div className="row rules-head">
      <span>
        {shown.length === all ? all : `${shown.length} of ${all}`} {all === 1 ? 'rule' : 'rules'}
      </span>
      <span className="quiet">Times in {zoneName(zone, Date.now())}</span>
      <span className="spread" />
      <CopyButton text={() => csvOf(shown)} label="Copy CSV" />
    </div>
  );
}
