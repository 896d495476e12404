// The table of targets: one body per pool, the pool's counts on its first row, details under the row that is open.
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ActiveTarget } from '../api/targets';
import { Severity } from '../parts/Severity';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { formatAgo, formatDuration, formatTime, zoneName } from '../time/format';
import {
  HEALTH_LEVEL,
  HEALTH_WORD,
  healthOf,
  isLate,
  lastScrapeMs,
  type Pool,
  type TargetSort,
  targetKey,
} from './model';
import { TargetDetail } from './TargetDetail';

/** Rows of one pool before a click is needed for more. */
const SHOWN = 100;
const HEADS: [TargetSort['column'] | null, string][] = [
  ['state', 'State'],
  ['endpoint', 'Endpoint'],
  [null, 'Labels'],
  ['scrape', 'Last scrape'],
  ['duration', 'Duration'],
];

type Props = {
  groups: Pool[];
  now: number;
  open: string;
  search: Search;
  sort: TargetSort;
  set: (values: Record<string, string | undefined>) => void;
};

export function TargetTable(props: Props) {
  const { sort, set } = props;
  const sortBy = (column: TargetSort['column']) => {
    const descending = sort.column === column && !sort.descending;
    set({ sort: descending ? `${column}.desc` : column === 'state' ? undefined : column });
  };
  return (
    <table className="target-table">
      <thead>
        <tr>
          {HEADS.map(([column, label]) => (
            <th
              key={label}
              className={label === 'Duration' ? 'number' : undefined}
              aria-sort={column && sort.column === column ? (sort.descending ? 'descending' : 'ascending') : undefined}
            >
              {column ? (
                <button type="button" onClick={() => sortBy(column)}>
                  {label}
                </button>
              ) : (
                label
              )}
            </th>
          ))}
        </tr>
      </thead>
      {props.groups.map((pool) => (
        <PoolBody key={pool.name} {...props} pool={pool} />
      ))}
    </table>
  );
}

function PoolBody(props: Props & { pool: Pool }) {
  const { pool } = props;
  const [shown, setShown] = useState(SHOWN);
  const rest = pool.targets.length - shown;
  return (
    <tbody>
      <tr className="pool-row">
        <th colSpan={5} scope="rowgroup">
          <div className="row">
            <h2>{pool.name}</h2>
            {pool.down > 0 && <Severity level="critical" word={`${pool.down} down`} />}
            {pool.unknown > 0 && <Severity level="unknown" word={`${pool.unknown} not scraped yet`} />}
            {pool.losing > 0 && <Severity level="warning" word={`${pool.losing} losing samples`} />}
            {pool.up > 0 && <Severity level="ok" word={`${pool.up} up`} />}
            {pool.dropped > 0 && <span className="quiet">{pool.dropped} dropped by relabelling</span>}
            {pool.up + pool.down + pool.unknown === 0 && <span className="quiet">no active targets</span>}
          </div>
        </th>
      </tr>
      {pool.targets.slice(0, shown).map((target) => (
        <TargetRow key={targetKey(target)} {...props} target={target} />
      ))}
      {rest > 0 && (
        <tr>
          <td colSpan={5}>
            <div className="row">
              <span className="quiet">
                {shown} of {pool.targets.length} targets are listed. Filter by a label or an error, or
              </span>
              <button type="button" className="button small" onClick={() => setShown(shown + 5 * SHOWN)}>
                Show {Math.min(rest, 5 * SHOWN)} more
              </button>
            </div>
          </td>
        </tr>
      )}
    </tbody>
  );
}

function TargetRow(props: Props & { target: ActiveTarget }) {
  const { target, now, search } = props;
  const { zone } = useTime();
  const health = healthOf(target);
  const key = targetKey(target);
  const open = props.open === key;
  const scraped = lastScrapeMs(target);
  const { open: _closed, ...closed } = search;
  return (
    <>
      <tr className="target-row" data-health={health}>
        <td>
          <Severity level={HEALTH_LEVEL[health]} word={HEALTH_WORD[health]} />
          {target.lastWarning && <Severity level="warning" word="Losing samples" />}
        </td>
        <td className="target-endpoint">
          <div>
            <Link
              to="/targets"
              search={open ? closed : { ...search, open: key }}
              replace
              resetScroll={false}
              aria-expanded={open}
              title={open ? 'Hide details' : 'Labels before and after relabelling'}
            >
              <span aria-hidden="true" className="target-turn">
                {open ? '▾' : '▸'}
              </span>
              {target.scrapeUrl}
            </Link>
          </div>
          {target.lastError && <p className="target-error">{target.lastError}</p>}
          {target.lastWarning && <p className="target-warning">{target.lastWarning}</p>}
        </td>
        <td>
          <ul className="labels">
            {Object.entries(target.labels).map(([name, value]) => (
              <li key={name}>
                <span className="quiet">{name}=</span>
                {value}
              </li>
            ))}
          </ul>
        </td>
        <td className="target-when">
          {scraped === null ? (
            <span className="quiet">Never</span>
          ) : (
            <time dateTime={target.lastScrape} title={`${formatTime(scraped, zone, true)} ${zoneName(zone, scraped)}`}>
              {formatAgo(scraped, Math.max(now, scraped))}
            </time>
          )}
          {isLate(target, now) && <Severity level="warning" word="Late" />}
        </td>
        <td className="number target-when">{scraped === null ? '–' : formatDuration(target.lastScrapeDuration)}</td>
      </tr>
      {open && (
        <tr className="target-open">
          <td colSpan={5}>
            <TargetDetail target={target} />
          </td>
        </tr>
      )}
    </>
  );
}
