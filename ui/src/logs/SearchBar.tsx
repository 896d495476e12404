// The one search box, and what is done with a whole search: format, keep, share, take away.
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { formatQuery, type Span } from '../api/loki';
import { Editor } from '../editor/Editor';
import { CopyButton } from '../parts/Copy';
import { type Language, toKql, toLogql } from './kql';
import type { LogsState } from './state';

const LogqlEditor = lazy(() => import('./LogqlEditor'));
const KqlEditor = lazy(() => import('./KqlEditor'));
const SavedMenu = lazy(() => import('./SavedMenu'));
const ExportMenu = lazy(() => import('./ExportMenu'));
export const EDITOR = 'logs';

type Props = {
  state: LogsState;
  /** What is asked, in LogQL. */
  query: string;
  span: Span;
  set: (values: Partial<LogsState>, push?: boolean) => void;
  run: (query: string) => void;
  /** Runs LogQL that was run before. */
  runKept: (query: string) => void;
};

const LANGUAGES: readonly [Language, word: string, says: string][] = [
  ['logql', 'LogQL', "Loki's language: streams, filters, counts"],
  ['kql', 'Search', 'KQL as in Kibana: level:ERROR and "connection reset"'],
];

export function SearchBar(props: Props) {
  const { state, run } = props;
  const query = state.query ?? '';
  const kql = state.lang === 'kql';
  const [draft, setDraft] = useState(query);
  const [open, setOpen] = useState<'saved' | 'export' | null>(null);
  const [said, setSaid] = useState('');
  const saved = useRef<HTMLButtonElement>(null);
  const exporting = useRef<HTMLButtonElement>(null);
  useEffect(() => setDraft(query), [query]);
  const speak = (lang: Language) => {
    if (lang === state.lang) return;
    const asked = kql ? toLogql(draft) : draft;
    props.set({ lang, query: lang === 'kql' ? (toKql(asked) ?? '') : asked, open: [] }, true);
  };
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
        <span className="joined">
          {LANGUAGES.map(([lang, word, says]) => (
            <button
              key={lang}
              type="button"
              className="button"
              aria-pressed={state.lang === lang}
              title={says}
              onClick={() => speak(lang)}
            >
              {word}
            </button>
          ))}
        </span>
        <Editor
          key={state.lang}
          id={EDITOR}
          value={draft}
          label={kql ? 'Search logs, KQL' : 'Search logs, LogQL'}
          placeholder={kql ? 'level:ERROR and "connection reset"' : '{service_name="checkout"} |= "timeout"'}
          code={kql ? KqlEditor : LogqlEditor}
          onChange={setDraft}
          onRun={() => run(draft.trim())}
        />
        <button type="button" className={dirty ? 'button primary' : 'button'} onClick={() => run(draft.trim())}>
          Run
        </button>
      </div>
      <div className="query-acts">
        <span className="quiet logs-hint">{said || (dirty ? 'Changed: press Enter to run' : '')}</span>
        {!kql && (
          <button type="button" className="button plain small" disabled={draft.trim() === ''} onClick={format}>
            Format
          </button>
        )}
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
          disabled={props.query === ''}
          onClick={() => toggle('export')}
        >
          Export
        </button>
      </div>
      <Suspense fallback={null}>
        {open === 'saved' && <SavedMenu anchor={saved} close={() => setOpen(null)} run={props.runKept} />}
        {open === 'export' && (
          <ExportMenu
            anchor={exporting}
            close={() => setOpen(null)}
            query={props.query}
            state={state}
            span={props.span}
          />
        )}
      </Suspense>
    </section>
  );
}
