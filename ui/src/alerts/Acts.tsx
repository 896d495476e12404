// What somebody does about an alert: says that it is seen, silences it, looks closer.
import { Link } from '@tanstack/react-router';
import { type FormEvent, lazy, Suspense, useRef, useState } from 'react';
import { acknowledge, unacknowledge } from '../api/alerting';
import { Popup } from '../parts/Popup';
import { useName } from '../parts/useName';
import { exactly } from '../silences/matchers';
import { silenceSearch } from '../silences/state';
import type { Alert } from './model';

const AlertDetail = lazy(() => import('./AlertDetail'));

type Props = {
  alert: Alert;
  open: boolean;
  toggle: () => void;
  /** Something was done: what is shown is old. */
  done: () => void;
};

export function Acts(props: Props) {
  const { alert, open } = props;
  const { sent, ack } = alert;
  const name = alert.labels.alertname ?? 'the alert';
  return (
    <div className="alert-acts">
      {sent && (ack ? <TakeBack id={sent.fingerprint} done={props.done} /> : <Acknowledge {...props} />)}
      <Link
        className="button small"
        to="/silences"
        search={silenceSearch(exactly(sent?.labels ?? alert.labels))}
        aria-label={`Silence ${name}`}
      >
        Silence
      </Link>
      {sent && (
        <button type="button" className="button small" aria-expanded={open} onClick={props.toggle}>
          {open ? 'Less' : 'Details'}
        </button>
      )}
    </div>
  );
}

export function Detail(props: { alert: Alert; now: number }) {
  return (
    <Suspense fallback={<div className="alert-detail" />}>
      <AlertDetail {...props} />
    </Suspense>
  );
}

function TakeBack(props: { id: string; done: () => void }) {
  const [failure, setFailure] = useState('');
  const run = () =>
    unacknowledge(props.id).then(props.done, (error: Error) => {
      setFailure(error.message);
    });
  return (
    <>
      {failure && <span className="alert-trouble">{failure}</span>}
      <button type="button" className="button small" onClick={run} title="Take the acknowledgement back">
        Take back
      </button>
    </>
  );
}

function Acknowledge(props: Props) {
  const [asking, setAsking] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  return (
    <>
      <button
        type="button"
        className="button small"
        ref={button}
        aria-expanded={asking}
        onClick={() => setAsking(!asking)}
      >
        Acknowledge
      </button>
      {asking && (
        <Popup anchor={button} close={() => setAsking(false)} label="Acknowledge" className="alert-ack">
          <AckForm
            id={props.alert.sent?.fingerprint ?? ''}
            done={() => {
              setAsking(false);
              props.done();
            }}
          />
        </Popup>
      )}
    </>
  );
}

function AckForm(props: { id: string; done: () => void }) {
  const [by, setBy] = useName();
  const [assignee, setAssignee] = useState('');
  const [comment, setComment] = useState('');
  const [failure, setFailure] = useState('');
  const [sending, setSending] = useState(false);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (by.trim() === '') return setFailure('Say who you are');
    setSending(true);
    try {
      await acknowledge(props.id, { by: by.trim(), assignee: assignee.trim(), comment: comment.trim() });
      props.done();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setSending(false);
    }
  };
  return (
    <form onSubmit={save} noValidate>
      <label>
        Your name
        <input
          className="input"
          required
          autoComplete="name"
          aria-invalid={(failure !== '' && by.trim() === '') || undefined}
          value={by}
          onChange={(event) => setBy(event.target.value)}
        />
      </label>
      <label>
        Assign to
        <input
          className="input"
          placeholder="nobody else"
          value={assignee}
          onChange={(event) => setAssignee(event.target.value)}
        />
      </label>
      <label>
        Comment
        <input className="input" value={comment} onChange={(event) => setComment(event.target.value)} />
      </label>
      {failure && (
        <p className="alert-trouble" role="alert">
          {failure}
        </p>
      )}
      <button type="submit" className="button primary" disabled={sending}>
        Acknowledge it
      </button>
      <p className="quiet">Others see that somebody is on it. It still notifies; silence it to stop that.</p>
    </form>
  );
}
