// A silence that is being written: for whom, when, why and by whom, with what it would do beside it.
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { fetchSilenceLimits, saveSilence } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import { Note } from '../parts/States';
import { useName } from '../parts/useName';
import { useTime } from '../shell/time';
import { MatcherEditor } from './MatcherEditor';
import { type Draft, postOf, problemsOf } from './model';
import { PreviewPart, usePreview } from './PreviewPart';
import { WhenFields } from './WhenFields';

const REMIND: [minutes: string, label: string][] = [
  ['', 'No reminder'],
  ['5', '5 minutes before the end'],
  ['15', '15 minutes before the end'],
  ['60', '1 hour before the end'],
];

type Props = {
  /** What the address says; it follows what is written here. */
  start: Draft;
  known: readonly Labels[];
  now: number;
  follow: (draft: Draft) => void;
  saved: (id: string) => void;
  cancel: () => void;
};

export function SilenceForm(props: Props) {
  const { now, known } = props;
  const { zone } = useTime();
  const [draft, setDraft] = useState(props.start);
  const [by, setBy] = useName();
  const [tried, setTried] = useState(false);
  const [sending, setSending] = useState(false);
  const [refused, setRefused] = useState('');
  const form = useRef<HTMLFormElement>(null);
  const limits = useQuery({ queryKey: ['silence-limits'], queryFn: ({ signal }) => fetchSilenceLimits(signal) });
  const preview = usePreview(draft.matchers);
  const set = (values: Partial<Draft>) => {
    const next = { ...draft, ...values };
    setDraft(next);
    setRefused('');
    props.follow(next);
  };
  const all = problemsOf(draft, by, limits.data, now, zone);
  const problems = tried ? all : [];
  const wrong = (field: string) => problems.some((problem) => problem.field === field) || undefined;

  // Who comes with conditions has the reason left to say; who comes without begins with the first.
  useEffect(() => {
    const filled = (form.current?.querySelector<HTMLInputElement>('.matcher input')?.value ?? '') !== '';
    form.current?.querySelector<HTMLElement>(filled ? 'textarea' : '.matcher input')?.focus();
    form.current?.scrollIntoView({ block: 'nearest' });
  }, []);

  const save = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (all.length > 0 || sending) {
      // Once it is marked.
      window.setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
      return;
    }
    setSending(true);
    try {
      props.saved(await saveSilence(postOf(draft, by, Date.now(), zone)));
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
      setSending(false);
    }
  };
  const hits = preview.old ? undefined : preview.data?.now.length;
  const verb = draft.id ? 'Save the silence' : 'Silence';
  const what = draft.id || !hits ? '' : hits === 1 ? ' one alert' : ` ${hits} alerts`;
  return (
    <form
      className="silence-form"
      ref={form}
      noValidate
      aria-label={draft.id ? 'Edit the silence' : 'New silence'}
      onSubmit={save}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit();
      }}
    >
      <h2>{draft.id ? 'Edit the silence' : 'New silence'}</h2>
      <div className="silence-columns">
        <div className="silence-fields">
          <fieldset>
            <legend>Alerts whose labels</legend>
            <MatcherEditor
              matchers={draft.matchers}
              set={(matchers) => set({ matchers })}
              known={known}
              invalid={wrong('matchers') ?? false}
            />
          </fieldset>
          <WhenFields draft={draft} set={set} limits={limits.data} problems={problems} now={now} />
          <label className="silence-comment">
            Why
            <textarea
              className="input"
              rows={2}
              required
              value={draft.comment}
              placeholder="Patch day of the databases, OPS-1234"
              aria-invalid={wrong('comment')}
              onChange={(event) => set({ comment: event.target.value })}
            />
          </label>
          <div className="row silence-times">
            <label>
              Your name
              <input
                className="input"
                required
                autoComplete="name"
                value={by}
                aria-invalid={wrong('by')}
                onChange={(event) => setBy(event.target.value)}
              />
            </label>
            <label>
              Reminder
              <select className="select" value={draft.remind} onChange={(event) => set({ remind: event.target.value })}>
                {REMIND.some(([minutes]) => minutes === draft.remind) ? null : (
                  <option value={draft.remind}>{draft.remind} minutes before the end</option>
                )}
                {REMIND.map(([minutes, label]) => (
                  <option key={minutes} value={minutes}>
                    {label}
                  </option>
                ))}
              </select>
            </label>
          </div>
        </div>
        <PreviewPart preview={preview} empty={draft.matchers.every((m) => m.name.trim() === '')} now={now} />
      </div>
      {problems.length > 0 && (
        <Note level="critical" word="Not yet">
          {problems.map((problem) => problem.message).join('. ')}.
        </Note>
      )}
      {refused && (
        <Note level="critical" word="Refused">
          {refused}
        </Note>
      )}
      <div className="row silence-acts">
        <button type="submit" className="button primary" disabled={sending}>
          {sending ? 'Saving' : verb + what}
        </button>
        <button type="button" className="button" onClick={props.cancel}>
          Cancel
        </button>
        <span className="quiet">
          <kbd>Ctrl</kbd> + <kbd>Enter</kbd> saves
        </span>
      </div>
    </form>
  );
}
