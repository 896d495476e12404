// A search that failed: what was asked, what is wrong, where, and what to do about it.
import type { ApiError } from '../api/http';
import { logqlPosition } from '../api/loki';
import { editorOf } from '../editor/Editor';
import { markError } from '../editor/mark';
import { CopyButton } from '../parts/Copy';
import { Severity } from '../parts/Severity';
import { kqlProblem, searchOf } from './kql';
import { EDITOR } from './SearchBar';
import type { LogsState } from './state';

const TITLES: Record<string, string> = {
  bad_data: 'The query is not valid',
  absent: 'This server cannot search its logs',
  timeout: 'The search took too long',
  network: 'The server does not answer',
  too_many_requests: 'The server is at its limit',
};
const HINTS: Record<string, string> = {
  timeout: 'Shorten the range, or add a label or a word that every line must have.',
  network: 'The page asks again with the next refresh.',
};

type Props = {
  query: string;
  error: ApiError;
  state?: LogsState;
  set?: (values: Partial<LogsState>) => void;
};

export function LogsError(props: Props) {
  const { error, set } = props;
  // Of a search, the place is one of the search as it was typed.
  const search = kqlProblem(error.message);
  const typed = search ? searchOf(props.query) : null;
  const query = typed ?? props.query;
  const place = search && typed !== null ? { line: 1, ...search } : logqlPosition(error.message);
  const mark = place ? markError(query, place.line, place.column) : null;
  const tooMany = /max_entries_limit/.test(error.message);
  const hint = tooMany ? 'The server gives fewer lines at once than were asked for.' : HINTS[error.kind];
  return (
    <div className="query-error" role="alert">
      <div className="row">
        <Severity level="critical" word="Error" />
        <h2>{tooMany ? 'Too many lines were asked for' : (TITLES[error.kind] ?? 'The search failed')}</h2>
      </div>
      <pre className="query-error-text">
        {mark ? (
          <>
            {mark.before}
            <span className="query-error-mark">{mark.marked}</span>
            {mark.after}
          </>
        ) : (
          query
        )}
      </pre>
      <p className="query-error-message">
        {place ? `Line ${place.line}, column ${place.column}: ${place.message}` : error.message}
      </p>
      {hint && <p className="quiet">{hint}</p>}
      <div className="row">
        <button
          type="button"
          className="button small"
          onClick={() => editorOf(EDITOR)?.goTo(place?.line ?? 1, place?.column ?? query.length + 1)}
        >
          {place ? 'Go to the position' : 'Edit query'}
        </button>
        {tooMany && set && (
          <button type="button" className="button small" onClick={() => set({ limit: 1000 })}>
            Load 1,000 lines
          </button>
        )}
        <CopyButton text={() => `${query}\n${error.message}`} label="Copy error" />
      </div>
    </div>
  );
}
