// Which receivers would a label set reach? Typed, or taken from an alert that fires.
import { useState } from 'react';
import type { RouteTest, SentAlert } from '../api/alerting';
import { Severity } from '../parts/Severity';
import { Note } from '../parts/States';
import { formatLabels } from '../series/labels';
import { exactly, matchersText } from '../silences/matchers';
import { readLabels } from './model';

type Props = {
  text: string;
  set: (text: string) => void;
  alerts: readonly SentAlert[];
  test: RouteTest | undefined;
  error: Error | null;
  /** The configuration that answers is the unsaved one. */
  unsaved: boolean;
};

export function TestBar(props: Props) {
  const { text, set, alerts, test } = props;
  const wrong = readLabels(text) === null;
  const [taken, setTaken] = useState('');
  return (
    <section className="route-test" aria-label="Test of a label set">
      <div className="row">
        <label className="route-field">
          Which receivers would this label set reach?
          <input
            className="input mono"
            placeholder={'severity="critical", team="storage"'}
            spellCheck={false}
            autoCapitalize="none"
            aria-invalid={wrong || undefined}
            value={text}
            onChange={(event) => set(event.target.value)}
          />
        </label>
        {alerts.length > 0 && (
          <label className="route-field">
            Or that of a firing alert
            <select
              className="select"
              value={taken}
              onChange={(event) => {
                const alert = alerts.find((a) => a.fingerprint === event.target.value);
                setTaken('');
                if (alert) set(matchersText(exactly(alert.labels)));
              }}
            >
              <option value="">Choose one</option>
              {alerts.map((alert) => (
                <option key={alert.fingerprint} value={alert.fingerprint}>
                  {alert.labels.alertname} {formatLabels(withoutName(alert.labels))}
                </option>
              ))}
            </select>
          </label>
        )}
        {text !== '' && (
          <button type="button" className="button" onClick={() => set('')}>
            Clear
          </button>
        )}
      </div>
      {wrong && <p className="route-wrong">Labels are written as severity="critical", team="storage".</p>}
      {props.error && !wrong && (
        <Note level="warning" word="Not tested">
          {props.error.message}
        </Note>
      )}
      {!wrong && test && text.trim() !== '' && <Reached test={test} unsaved={props.unsaved} />}
    </section>
  );
}

function withoutName({ alertname: _name, ...others }: Record<string, string>) {
  return others;
}

function Reached(props: { test: RouteTest; unsaved: boolean }) {
  const { test } = props;
  const told = new Map(test.tree.map((node) => [node.id, node]));
  return (
    <div className="route-reached" role="status">
      <p>
        Reaches <strong>{test.receivers.join(', ') || 'nobody'}</strong>
        {props.unsaved && <span className="quiet"> with the unsaved configuration</span>}
      </p>
      <ul>
        {test.routes.map((route) => {
          const id = route.path.at(-1) ?? 0;
          const muted = told.get(id)?.mutedBy ?? [];
          return (
            <li key={id}>
              <strong>{route.receiver}</strong>
              <span className="quiet">
                in the group <code>{formatLabels(route.groupLabels)}</code>
              </span>
              {muted.length > 0 && <Severity level="info" word={`Quiet now: ${muted.join(', ')}`} />}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
