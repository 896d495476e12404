// The states that every view has besides its data: empty, error, stale, and notes.
import type { ReactNode } from 'react';
import type { ApiError } from '../api/http';
import { type Level, Severity } from './Severity';
import './states.css';

export function Empty(props: { title: string; children?: ReactNode }) {
  return (
    <div className="state-empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

export function Note(props: { level: Level; word: string; children: ReactNode; action?: ReactNode }) {
  return (
    <div className={`note note-${props.level}`} role={props.level === 'critical' ? 'alert' : 'status'}>
      <Severity level={props.level} word={props.word} />
      <div className="note-text">{props.children}</div>
      {props.action}
    </div>
  );
}

/** Data on screen is older than it should be, because the server stopped answering. */
export function Stale(props: { error: ApiError | Error; since: string; retry: () => void }) {
  return (
    <Note
      level="warning"
      word="Stale"
      action={
        <button type="button" className="button small" onClick={props.retry}>
          Retry
        </button>
      }
    >
      {props.error.message}. Shown is what it said {props.since}.
    </Note>
  );
}

export function Progress(props: { active: boolean }) {
  return <div className="progress" data-active={props.active} role="presentation" />;
}
