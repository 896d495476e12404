// A failed query, in the place of its picture: what was asked, what is wrong, and where.
import { useMemo } from 'react';
import type { ApiError } from '../api/http';
import { errorPosition } from '../api/prometheus';
import { editorOf } from '../editor/Editor';
import { markError } from '../editor/mark';
import { CopyButton } from '../parts/Copy';
import { Severity } from '../parts/Severity';

const TITLES: Record<string, string> = {
  bad_data: 'The query is not valid',
  execution: 'The query failed',
  timeout: 'The query took too long',
  canceled: 'The query was cancelled',
  network: 'The server does not answer',
  too_many_requests: 'The server is at its limit',
};

const HINTS: Record<string, string> = {
  timeout: 'Shorten the time range, or select fewer series.',
  network: 'The page asks again with the next refresh.',
};

export function QueryError(props: { id: string; expr: string; error: ApiError; toTable?: (() => void) | undefined }) {
  const { error, expr, id } = props;
  const position = errorPosition(error.message);
  const mark = useMemo(() => (position ? markError(expr, position.line, position.column) : null), [expr, position]);
  const focus = () => editorOf(id)?.goTo(position?.line ?? 1, position?.column ?? expr.length + 1);
  const rangeVector = /range for? ?vector|range vector|must be Scalar or instant Vector/i.test(error.message);
  const hint = error.message.includes('11,000 points')
    ? 'Choose a larger step, or leave it on auto.'
    : HINTS[error.kind];
  return (
    <div className="query-error" role="alert">
      <div className="row">
        <Severity level="critical" word="Error" />
        <h2>
          {id}: {TITLES[error.kind] ?? 'The query failed'}
        </h2>
      </div>
      <pre className="query-error-text">
        {mark ? (
          <>
            {mark.before}
            <span className="query-error-mark">{mark.marked}</span>
            {mark.after}
          </>
        ) : (
          expr
        )}
      </pre>
      <p className="query-error-message">
        {position ? `Line ${position.line}, column ${position.column}: ${position.message}` : error.message}
      </p>
      {hint && <p className="quiet">{hint}</p>}
      <div className="row">
        <button type="button" className="button small" onClick={focus}>
          {position ? 'Go to the position' : 'Edit query'}
        </button>
        {rangeVector && props.toTable && (
          <button type="button" className="button small" onClick={props.toTable}>
            Show as table
          </button>
        )}
        <CopyButton text={() => `${expr}\n${error.message}`} label="Copy error" />
      </div>
    </div>
  );
}
