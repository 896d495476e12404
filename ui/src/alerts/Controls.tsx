// Filters of the page of alerts: words, severities, labels as pills; and the label that groups.
import { Severity } from '../parts/Severity';
import { useTime } from '../shell/time';
import { zoneName } from '../time/format';
import type { SetSearch } from './AlertsPage';
import { filterText, type LabelFilter, removeFilter, writeFilters } from './filters';
import { type Alert, countLevels, type Filter } from './model';
import { HANDLED, type Handled } from './sent';
import { LEVEL_WORD, LEVELS } from './severity';
import { toggleLevel } from './state';

type Props = {
  /** That fire and fit, before severities are chosen. */
  alerts: readonly Alert[];
  filter: Filter;
  by: string;
  names: readonly string[];
  handled: Handled;
  set: SetSearch;
};

export function Controls(props: Props) {
  const { alerts, filter, set } = props;
  const { zone } = useTime();
  const counts = countLevels(alerts);
  // Three levels always stand there; what has no level known to us only where there is such a thing.
  const levels = LEVELS.filter((level) => level !== 'ok' && (level !== 'unknown' || counts.unknown > 0));
  return (
    <div className="row">
      <input
        className="input alerts-filter"
        placeholder="Filter by name, label or text"
        aria-label="Filter alerts"
        value={filter.text}
        onChange={(event) => set({ q: event.target.value || undefined })}
      />
      <fieldset className="joined alerts-levels" aria-label="Severity">
        <button
          type="button"
          className="button"
          aria-pressed={filter.levels.length === 0}
          onClick={() => set({ severity: undefined })}
        >
          All {alerts.length}
        </button>
        {levels.map((level) => (
          <button
            key={level}
            type="button"
            className="button"
            aria-pressed={filter.levels.includes(level)}
            onClick={() => set({ severity: toggleLevel(filter.levels, level) })}
          >
            {counts[level] > 0 ? <Severity level={level} word={LEVEL_WORD[level]} /> : LEVEL_WORD[level]}{' '}
            {counts[level]}
          </button>
        ))}
      </fieldset>
      <select
        className="select"
        aria-label="Handled"
        value={props.handled}
        onChange={(event) => set({ handled: event.target.value || undefined })}
      >
        {HANDLED.map(([handled, word]) => (
          <option key={handled} value={handled}>
            {word}
          </option>
        ))}
      </select>
      <label className="alerts-by">
        Group by{' '}
        <select
          className="select"
          value={props.by}
          onChange={(event) => set({ by: event.target.value === 'alertname' ? undefined : event.target.value })}
        >
          {props.names.map((name) => (
            <option key={name} value={name}>
              {name === 'alertname' ? 'alert name' : name}
            </option>
          ))}
        </select>
      </label>
      <span className="spread" />
      <span className="quiet">Times in {zoneName(zone, Date.now())}</span>
    </div>
  );
}

export function FilterPills(props: { filters: readonly LabelFilter[]; set: SetSearch }) {
  const { filters, set } = props;
  if (filters.length === 0) return null;
  const put = (next: readonly LabelFilter[]) => set({ match: writeFilters(next) });
  return (
    <ul className="alert-pills" aria-label="Filters">
      {filters.map((filter) => {
        const text = filterText(filter);
        const other: LabelFilter = { ...filter, op: filter.op === '=' ? '!=' : '=' };
        return (
          <li key={text} className="alert-pill" data-negative={filter.op === '!='}>
            <button
              type="button"
              title={filter.op === '=' ? 'Leave these out' : 'Keep only these'}
              onClick={() => put(filters.map((f) => (f === filter ? other : f)))}
            >
              {text}
            </button>
            <button type="button" aria-label={`Remove ${text}`} onClick={() => put(removeFilter(filters, filter))}>
              ×
            </button>
          </li>
        );
      })}
    </ul>
  );
}
