// What is known of one target: labels before and after relabelling side by side, its schedule, and where its data is.
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import type { Labels } from '../api/prometheus';
import { type ActiveTarget, fetchRelabelSteps, type RelabelStep } from '../api/targets';
import { Progress } from '../parts/States';
import type { Search } from '../router-search';
import { formatLabels } from '../series/labels';
import { compareLabels, type LabelChange, ruleText } from './model';

const CHANGE_WORD: Record<LabelChange, string> = { same: '', changed: 'changed', added: 'added', removed: 'removed' };

export function TargetDetail(props: { target: ActiveTarget }) {
  const { target } = props;
  const search = useSearch({ strict: false }) as Search;
  const { job, instance } = target.labels;
  const up = formatLabels({ __name__: 'up', ...(job ? { job } : {}), ...(instance ? { instance } : {}) });
  const time = Object.fromEntries(['from', 'to', 'tz'].flatMap((k) => (search[k] ? [[k, search[k]]] : [])));
  return (
    <div className="target-detail">
      <dl className="target-facts">
        <div>
          <dt>Interval</dt>
          <dd>{target.scrapeInterval}</dd>
        </div>
        <div>
          <dt>Timeout</dt>
          <dd>{target.scrapeTimeout}</dd>
        </div>
        <div>
          <dt>Scraped at</dt>
          <dd>
            <a href={target.scrapeUrl} target="_blank" rel="noreferrer">
              {target.scrapeUrl}
            </a>
          </dd>
        </div>
        <div>
          <dt>Explore</dt>
          <dd>
            <Link to="/explore" search={{ ...time, A: up }}>
              <code>{up}</code>
            </Link>
          </dd>
        </div>
      </dl>
      <LabelDiff before={target.discoveredLabels} after={target.labels} />
      <Steps pool={target.scrapePool} labels={target.discoveredLabels} />
    </div>
  );
}

function LabelDiff(props: { before: Labels; after: Labels }) {
  return (
    <table className="label-diff">
      <thead>
        <tr>
          <th>Label</th>
          <th>Before relabelling</th>
          <th>After relabelling</th>
          <th>Change</th>
        </tr>
      </thead>
      <tbody>
        {compareLabels(props.before, props.after).map((pair) => (
          <tr key={pair.name} data-change={pair.change}>
            <th scope="row">{pair.name}</th>
            <td>{pair.before ?? <span className="quiet">–</span>}</td>
            <td>{pair.after ?? <span className="quiet">{pair.name.startsWith('__') ? 'internal' : '–'}</span>}</td>
            <td>{CHANGE_WORD[pair.change]}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Rule by rule; asked for only when wanted, because the server works it out anew. */
export function Steps(props: { pool: string; labels: Labels }) {
  const [wanted, setWanted] = useState(false);
  const steps = useQuery({
    queryKey: ['relabel-steps', props.pool, props.labels],
    queryFn: ({ signal }) => fetchRelabelSteps(props.pool, props.labels, signal),
    enabled: wanted,
  });
  if (!wanted) {
    return (
      <button type="button" className="button small" onClick={() => setWanted(true)}>
        Show relabelling rule by rule
      </button>
    );
  }
  if (steps.error) return <p className="quiet">This server does not show single rules: {steps.error.message}</p>;
  if (!steps.data) return <Progress active />;
  if (steps.data.length === 0) return <p className="quiet">This pool has no relabelling rules.</p>;
  return (
    <ol className="steps">
      {steps.data.map((step, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rules have no other identity than their place.
        <Step key={i} step={step} before={i === 0 ? props.labels : (steps.data[i - 1]?.output ?? {})} />
      ))}
    </ol>
  );
}

function Step(props: { step: RelabelStep; before: Labels }) {
  const { step } = props;
  const changes = compareLabels(props.before, step.output ?? {}).filter((p) => p.before !== p.after);
  return (
    <li>
      <code>{ruleText(step.rule)}</code>
      {!step.keep && <p>Drops the target: no later rule is asked.</p>}
      {step.keep && changes.length === 0 && <p className="quiet">Changes nothing</p>}
      {step.keep &&
        changes.map((pair) => (
          <p key={pair.name}>
            <span className="quiet">{pair.name}:</span> {pair.before ?? 'absent'} → {pair.after ?? 'absent'}
          </p>
        ))}
    </li>
  );
}
