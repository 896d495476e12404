// Filters of the Targets page: words, state, pool; and the list as CSV.
import { CopyButton } from '../parts/Copy';
import { Severity } from '../parts/Severity';
import { csvRows } from '../series/csv';
import { formatLabels } from '../series/labels';
import { useTime } from '../shell/time';
import { zoneName } from '../time/format';
import { type Filter, HEALTH_LEVEL, HEALTH_WORD, type Health, healthOf, type Pool } from './model';

type Props = {
  counts: Record<Health, number>;
  filter: Filter;
  groups: Pool[];
  poolNames: string[];
  set: (values: Record<string, string | undefined>) => void;
};

function csvOf(groups: readonly Pool[]): string {
  const head = ['pool', 'state', 'url', 'labels', 'last_scrape', 'duration_seconds', 'error'];
  const rows = groups.flatMap((pool) =>
    pool.targets.map((t) => [
      pool.name,
      healthOf(t),
      t.scrapeUrl,
      formatLabels(t.labels),
      t.lastScrape,
      t.lastScrapeDuration,
      t.lastError,
    ]),
  );
  return csvRows([head, ...rows]);
}

export function Controls(props: Props) {
  const { filter, counts, set } = props;
  const { zone } = useTime();
  const total = counts.up + counts.down + counts.unknown;
  const choose = (health: Health) => {
    const next = filter.health.includes(health)
      ? filter.health.filter((h) => h !== health)
      : [...filter.health, health];
    set({ health: next.length > 0 ? next.join(',') : undefined });
  };
  return (
    <div className="row">
      <input
        className="input targets-filter"
        placeholder="Filter by URL, label or error"
        aria-label="Filter targets"
        value={filter.text}
        onChange={(event) => set({ q: event.target.value || undefined })}
      />
      <fieldset className="joined targets-health" aria-label="State">
        <button
          type="button"
          className="button"
          aria-pressed={filter.health.length === 0}
          onClick={() => set({ health: undefined })}
        >
          All {total}
        </button>
        {(['down', 'unknown', 'up'] as const).map((health) => (
          <button
            key={health}
            type="button"
            className="button"
            aria-pressed={filter.health.includes(health)}
            onClick={() => choose(health)}
          >
            {counts[health] > 0 ? (
              <Severity level={HEALTH_LEVEL[health]} word={HEALTH_WORD[health]} />
            ) : (
              HEALTH_WORD[health]
            )}{' '}
            {counts[health]}
          </button>
        ))}
      </fieldset>
      <select
        className="select"
        aria-label="Scrape pool"
        value={filter.pool}
        onChange={(event) => set({ pool: event.target.value || undefined })}
      >
        <option value="">All pools</option>
        {props.poolNames.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <span className="spread" />
      <span className="quiet">Times in {zoneName(zone, Date.now())}</span>
      <CopyButton className="button" text={() => csvOf(props.groups)} label="Copy CSV" />
    </div>
  );
}
