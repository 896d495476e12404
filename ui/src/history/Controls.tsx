// Filters of the history: kind, labels, receiver; and what a link has narrowed it to.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { fetchRoutes } from '../api/alerting';
import { useTime } from '../shell/time';
import { parseMatchers } from '../silences/matchers';
import { zoneName } from '../time/format';
import { FAMILIES, FAMILY_NAMES, KIND_WORD } from './model';
import type { HistoryState } from './state';

type Props = { state: HistoryState; set: (values: Record<string, string | undefined>) => void };

/** How long typing rests before the server is asked, in milliseconds. */
const PAUSE = 400;

export function Controls(props: Props) {
  const { state, set } = props;
  const { zone } = useTime();
  const routes = useQuery({ queryKey: ['route-names'], queryFn: ({ signal }) => fetchRoutes(signal) });
  const names = [...new Set([...(routes.data ?? []).map((route) => route.receiver), state.receiver])].filter(Boolean);
  return (
    <div className="row">
      <LabelField match={state.match} set={set} />
      <select
        className="select"
        aria-label="Kind"
        value={state.kind}
        onChange={(event) => set({ kind: event.target.value || undefined })}
      >
        <option value="">All kinds</option>
        {FAMILY_NAMES.map((family) => (
          <optgroup key={family} label={FAMILIES[family].word}>
            <option value={family}>{FAMILIES[family].word}, all</option>
            {FAMILIES[family].kinds.map((kind) => (
              <option key={kind} value={kind}>
                {KIND_WORD[kind]}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
      <select
        className="select history-receiver"
        aria-label="Receiver"
        value={state.receiver}
        onChange={(event) => set({ receiver: event.target.value || undefined })}
      >
        <option value="">All receivers</option>
        {names.sort().map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      {state.alert && <Narrowed text={`alert ${state.alert}`} remove={() => set({ alert: undefined })} />}
      {state.silence && (
        <Narrowed text={`silence ${state.silence.slice(0, 8)}`} remove={() => set({ silence: undefined })} />
      )}
      <span className="spread" />
      <span className="quiet">Times in {zoneName(zone, Date.now())}</span>
    </div>
  );
}

/** Conditions are applied once they can be read and typing rests; a filter that comes from elsewhere takes its place. */
function LabelField(props: { match: string; set: Props['set'] }) {
  const [text, setText] = useState(props.match);
  const wrong = parseMatchers(text) === null;
  const latest = useRef({ ...props, applied: props.match });
  latest.current.set = props.set;
  useEffect(() => {
    if (latest.current.applied === props.match) return;
    latest.current.applied = props.match;
    setText(props.match);
  }, [props.match]);
  useEffect(() => {
    if (wrong || text === latest.current.applied) return;
    const timer = window.setTimeout(() => {
      latest.current.applied = text;
      latest.current.set({ match: text || undefined });
    }, PAUSE);
    return () => window.clearTimeout(timer);
  }, [text, wrong]);
  return (
    <input
      className="input mono history-match"
      aria-label="Labels"
      placeholder={'{alertname="DiskFull"}'}
      spellCheck={false}
      autoCapitalize="none"
      aria-invalid={wrong || undefined}
      title={wrong ? 'Write conditions as in {team="web", job!~"test.*"}' : undefined}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}

function Narrowed(props: { text: string; remove: () => void }) {
  return (
    <span className="history-only">
      {props.text}
      <button type="button" aria-label={`Remove ${props.text}`} onClick={props.remove}>
        ×
      </button>
    </span>
  );
}
