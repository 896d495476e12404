// Discovered targets that relabelling dropped, with the labels they came with.
import { useState } from 'react';
import type { DroppedTarget } from '../api/targets';
import { formatLabels } from '../series/labels';
import { Steps } from './TargetDetail';

const SHOWN = 100;

export function Dropped(props: { targets: DroppedTarget[]; total: number }) {
  const [shown, setShown] = useState(SHOWN);
  if (props.total === 0 && props.targets.length === 0) return null;
  const total = Math.max(props.total, props.targets.length);
  return (
    <details className="dropped">
      <summary>
        <h2>Dropped by relabelling</h2>
        <span className="quiet">
          {total} {total === 1 ? 'target' : 'targets'}
        </span>
      </summary>
      {props.targets.length < props.total && (
        <p className="quiet">
          {props.targets.length} of {props.total} are kept in memory or fit the filter;{' '}
          <code>keep_dropped_targets</code> sets how many are kept.
        </p>
      )}
      <ul>
        {props.targets.slice(0, shown).map((target) => {
          const text = formatLabels(target.discoveredLabels);
          return (
            <li key={`${target.scrapePool} ${text}`}>
              <h3>{target.scrapePool ?? target.discoveredLabels.job}</h3>
              <code>{text}</code>
              <Steps pool={target.scrapePool ?? target.discoveredLabels.job ?? ''} labels={target.discoveredLabels} />
            </li>
          );
        })}
      </ul>
      {props.targets.length > shown && (
        <button type="button" className="button small" onClick={() => setShown(shown + 5 * SHOWN)}>
          Show more
        </button>
      )}
    </details>
  );
}
