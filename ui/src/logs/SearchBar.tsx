// The one search box, and what is done with a whole search: format, keep, share, take away.
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { formatQuery, type Span } from '../api/loki';
import { Editor } from '../editor/Editor';
import { CopyButton } from '../parts/Copy';
import type { LogsState } from './state';

const LogqlEditor = lazy(() => import('./LogqlEditor'));
const SavedMenu = lazy(() => import('./SavedMenu'));
const ExportMenu = lazy(() => import('./ExportMenu'));
export const EDITOR = 'logs';

type Props = {
  state: LogsState;
  span: Span;
  set: (values: Partial<LogsState>, push?: boolean) => void;
  run: (query: string) => void;
};

export function SearchBar(props: Props) {
  const { state, run } = props;
  const query = state.query ?? '';
  const [draft, setDraft] = useState(query);
  const [open, setOpen] = useState<'saved' | 'export' | null>(null);
  const [said, setSaid] = useState('');
  const saved = useRef<HTMLButtonElement>(null);
  const exporting = useRef<HTMLButtonElement>(null);
  useEffect(() => setDraft(query), [query]);
  const dirty = draft.trim() !== query.trim();
  const toggle = (what: 'saved' | 'export') => setOpen(open === what ? null : what);
  const format = async () => {
    try {
      setDraft(await formatQuery(draft));
      setSaid('');
    } catch (error) {
      setSaid((error as Error).message);
    }
  };
  return (
    <section className="logs-search" aria-label="Search">
      <div className="query-line">
        <Editor
          id={EDITOR}
          value={draft}
          label="Search logs, LogQL"
          placeholder={'{service_name="checkout"} |= "timeout"'}
          code={LogqlEditor}
          onChange={setDraft}
          onRun={() => run(draft.trim())}
        />
        <button type="button" className={dirty ? 'button primary' : 'button'} onClick={() => run(draft.trim())}>
          Run
        </button>
      </div>
      <div className="query-acts">
        <span className="quiet logs-hint">{said || (dirty ? 'Changed: press Enter to run' : '')}</span>
        <button type="button" className="button plain small" disabled={draft.trim() === ''} onClick={format}>
          Format
        </button>
        <button
          type="button"
          ref={saved}
          className="button plain small"
          aria-expanded={open === 'saved'}
          onClick={() => toggle('saved')}
        >
          Saved
        </button>
        <CopyButton className="button plain small" label="Copy link" text={() => window.location.href} />
        <button
          type="button"
          ref={exporting}
          className="button plain small"
          aria-expanded={open === 'export'}
          disabled={query.trim() === ''}
          onClick={() => toggle('export')}
        >
          Export
        </button>
      </div>
      <Suspense fallback={null}>
        {open === 'saved' && <SavedMenu anchor={saved} close={() => setOpen(null)} run={run} />}
        {open === 'export' && (
          <ExportMenu anchor={exporting} close={() => setOpen(null)} state={state} span={props.span} />
        )}
      </Suspense>
    </section>
  );
}
