// Another configuration, not saved anywhere but in this tab: its tree at once, and what it would have done with the last days.
import { useMutation } from '@tanstack/react-query';
import { useRef } from 'react';
import { whatIf } from '../api/alerting';
import { Note, Progress } from '../parts/States';
import { faultsOf } from './model';
import { Report } from './Report';

export const DAYS = [1, 7, 30] as const;

type Props = {
  text: string;
  setText: (text: string) => void;
  /** Of its tree; null while it can be read. */
  error: Error | null;
  inForce: string;
  days: number;
  setDays: (days: number) => void;
  close: () => void;
};

export function WhatIfPart(props: Props) {
  const { text, error, days } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const run = useMutation({ mutationFn: () => whatIf(text, days) });
  const wrong = error ?? run.error;
  const goTo = (line: number) => {
    const area = field.current;
    if (!area) return;
    const lines = text.split('\n');
    const start = lines.slice(0, line - 1).reduce((sum, row) => sum + row.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] ?? '').length);
  };
  return (
    <section className="what-if" aria-label="Another configuration">
      <div className="row">
        <h2>Another configuration</h2>
        <span className="quiet">Nothing is saved: it stays in this tab.</span>
        <span className="spread" />
        <button
          type="button"
          className="button small"
          disabled={text === props.inForce}
          onClick={() => props.setText(props.inForce)}
        >
          Start again from the one in force
        </button>
        <button type="button" className="button small" onClick={props.close}>
          Close
        </button>
      </div>
      <textarea
        ref={field}
        className="input mono what-if-text"
        aria-label="alertmanager.yml"
        rows={16}
        spellCheck={false}
        autoCapitalize="none"
        aria-invalid={wrong !== null || undefined}
        value={text}
        onChange={(event) => {
          run.reset();
          props.setText(event.target.value);
        }}
      />
      {wrong && (
        <Note level="critical" word="Invalid">
          <ul className="what-if-faults">
            {faultsOf(wrong.message).map(({ line, text: said }) => (
              <li key={`${line} ${said}`}>
                {line !== null && (
                  <button type="button" className="button small" onClick={() => goTo(line)}>
                    Line {line}
                  </button>
                )}
                <span>{said}</span>
              </li>
            ))}
          </ul>
        </Note>
      )}
      <div className="row">
        <button
          type="button"
          className="button primary"
          disabled={run.isPending || error !== null || text.trim() === ''}
          onClick={() => run.mutate()}
        >
          {run.isPending ? 'Playing it back' : 'What would it have done?'}
        </button>
        <div className="joined" role="group" aria-label="Days">
          {DAYS.map((count) => (
            <button
              key={count}
              type="button"
              className="button"
              aria-pressed={count === days}
              onClick={() => {
                run.reset();
                props.setDays(count);
              }}
            >
              {count === 1 ? 'Last day' : `Last ${count} days`}
            </button>
          ))}
        </div>
      </div>
      <Progress active={run.isPending} />
      {run.data && <Report data={run.data} />}
    </section>
  );
}
