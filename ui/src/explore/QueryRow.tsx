// One query: editor, what it cost, its options.
import { lazy, Suspense, useEffect, useState } from 'react';
import { Editor, editorOf } from '../editor/Editor';
import { CopyButton } from '../parts/Copy';
import { formatDuration } from '../time/format';
import { parseDuration } from '../time/step';
import { formatExact } from '../units/format';

import type { Query, ResultKind } from './state';
import type { Result } from './useResults';

const PromqlEditor = lazy(() => import('./PromqlEditor'));
const MetricBrowser = lazy(() => import('./MetricBrowser'));
const Explain = lazy(() => import('./Explain'));

type Props = {
  query: Query;
  result: Result | undefined;
  only: boolean;
  change: (query: Query) => void;
  run: (query: Query) => void;
  duplicate: () => void;
  remove: () => void;
};

export function QueryRow(props: Props) {
  const { query } = props;
  const [draft, setDraft] = useState(query.expr);
  const [options, setOptions] = useState(false);
  const [browsing, setBrowsing] = useState(false);
  const [explaining, setExplaining] = useState(false);
  const answer = props.result?.answer;
  useEffect(() => setDraft(query.expr), [query.expr]);
  const dirty = draft !== query.expr;
  const run = () => {
    const expr = draft.trim();
    setDraft(expr);
    props.run({ ...query, expr });
  };

  const choose = (text: string) => {
    setBrowsing(false);
    if (draft.trim() === '') {
      setDraft(text);
      props.run({ ...query, expr: text });
      return;
    }
    editorOf(query.id)?.insert(text);
  };

  return (
    <section className="query" aria-label={`Query ${query.id}`} data-off={query.off}>
      <div className="query-line">
        <span className="query-id" aria-hidden="true">
          {query.id}
        </span>
        <Editor
          id={query.id}
          value={draft}
          label={`Query ${query.id}, PromQL`}
          placeholder="Enter a PromQL query, or choose a metric"
          code={PromqlEditor}
          onChange={setDraft}
          onRun={run}
        />
        <button type="button" className="button" onClick={() => setBrowsing(true)}>
          Metrics
        </button>
        <button type="button" className={dirty ? 'button primary' : 'button'} onClick={run}>
          Run
        </button>
      </div>
      <div className="query-foot">
        <span className="query-cost quiet">{dirty ? 'Changed: press Enter to run' : <Cost {...props} />}</span>
        <span className="query-acts">
          <button
            type="button"
            className="button plain small"
            aria-expanded={options}
            onClick={() => setOptions(!options)}
          >
            Options
          </button>
          <button
            type="button"
            className="button plain small"
            aria-expanded={explaining}
            disabled={!answer}
            onClick={() => setExplaining(!explaining)}
          >
            Explain
          </button>
          <CopyButton className="button plain small" text={() => draft} label="Copy query" />
          <button type="button" className="button plain small" onClick={props.duplicate}>
            Duplicate
          </button>
          <button
            type="button"
            className="button plain small"
            onClick={() => props.change({ ...query, off: !query.off })}
          >
            {query.off ? 'Enable' : 'Disable'}
          </button>
          {!props.only && (
            <button type="button" className="button plain small" onClick={props.remove}>
              Remove
            </button>
          )}
        </span>
      </div>
      {options && <Options query={query} change={props.change} />}
      {explaining && answer && (
        <Suspense fallback={null}>
          <Explain answer={answer} />
        </Suspense>
      )}
      {browsing && (
        <Suspense fallback={null}>
          <MetricBrowser close={() => setBrowsing(false)} choose={choose} />
        </Suspense>
      )}
    </section>
  );
}

/** Time, series, samples, step: from the server's own statistics, not from a stopwatch around it. */
function Cost(props: Props) {
  const answer = props.result?.answer;
  if (props.query.off) return 'Disabled';
  if (!answer) return props.result?.loading ? 'Running' : '';
  const { stats, result, resultType } = answer.data;
  const seconds = stats?.timings?.execTotalTime;
  const samples = stats?.samples?.totalQueryableSamples;
  const series = resultType === 'matrix' || resultType === 'vector' ? result.length : 1;
  const parts = [
    formatDuration(seconds ?? answer.took / 1000),
    `${formatExact(series)} series`,
    ...(samples === undefined ? [] : [`${formatExact(samples)} ${samples === 1 ? 'sample' : 'samples'} read`]),
    ...(answer.kind === 'range' ? [`step ${formatDuration(answer.step)}`] : ['instant']),
  ];
  const title = `Whole round trip ${formatDuration(answer.took / 1000)}`;
  return <span title={title}>{parts.join(' · ')}</span>;
}

function Options(props: { query: Query; change: (query: Query) => void }) {
  const { query, change } = props;
  const [legend, setLegend] = useState(query.legend);
  const [step, setStep] = useState(query.step);
  const wrong = step.trim() !== '' && parseDuration(step) === null;
  const commit = () => {
    if (!wrong && (legend !== query.legend || step.trim() !== query.step))
      change({ ...query, legend, step: step.trim() });
  };
  return (
    <form
      className="query-options"
      onSubmit={(event) => {
        event.preventDefault();
        commit();
      }}
    >
      <label>
        Legend
        <input
          className="input"
          placeholder="Labels that differ, or {{label}}"
          value={legend}
          onChange={(event) => setLegend(event.target.value)}
          onBlur={commit}
        />
      </label>
      <label>
        Step
        <input
          className="input"
          placeholder="Auto"
          value={step}
          aria-invalid={wrong}
          title={wrong ? 'A duration such as 15s or 1m' : undefined}
          onChange={(event) => setStep(event.target.value)}
          onBlur={commit}
        />
      </label>
      <label>
        Type
        <select
          className="select"
          value={query.kind}
          onChange={(event) => change({ ...query, kind: event.target.value as ResultKind })}
        >
          <option value="auto">Range in graph, instant in table</option>
          <option value="range">Range</option>
          <option value="instant">Instant</option>
        </select>
      </label>
      <button type="submit" className="visually-hidden">
        Apply options
      </button>
    </form>
  );
}
