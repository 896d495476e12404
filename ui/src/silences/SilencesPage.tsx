// Silences: what is kept quiet, until when, why and by whom; and the form that makes one.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { fetchSentAlerts, fetchSilences, type Silence, type SilenceState } from '../api/alerting';
import { CopyButton } from '../parts/Copy';
import { Failed } from '../parts/Failed';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { formatAgo, zoneName } from '../time/format';
import { filterSilences, ofState, STATE_WORD, STATES, silencesCsv } from './model';
import { SilenceForm } from './SilenceForm';
import { SilenceRow } from './SilenceRow';
import { NO_DRAFT, readDraft, readStates, writeDraft } from './state';
import './silences.css';

/** Of each state before a click is needed for more. */
const SHOWN = 100;

export function SilencesPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const { zone } = useTime();
  const now = useNow();
  const live = useLive(['silences'], fetchSilences, 2);
  const sent = useLive(['sent-alerts'], fetchSentAlerts, 2);
  const [said, setSaid] = useState('');
  const set = (values: Record<string, string | undefined>, push = false) => {
    void navigate({ to: '/silences', search: (old: Search) => ({ ...old, ...values }), replace: !push } as never);
  };
  const { data } = live;
  const known = useMemo(() => (sent.data ?? []).map((alert) => alert.labels), [sent.data]);
  if (!data) {
    return live.error ? (
      <Failed what="Silences" error={live.error} retry={live.retry} path="/api/afferent/v1/alerting/silences" />
    ) : (
      <Progress active />
    );
  }
  const edited = search.edit ? data.find((silence) => silence.id === search.edit) : undefined;
  const draft = readDraft(search, edited, zone);
  const states = readStates(search);
  const text = search.q ?? '';
  const fitting = filterSilences(data, text);
  const close = () => set(NO_DRAFT);
  return (
    <div className="silences">
      {live.error && <Stale error={live.error} since={formatAgo(live.at, now)} retry={live.retry} />}
      {search.edit && !edited && (
        <Note level="warning" word="Gone">
          There is no silence {search.edit} any longer.
        </Note>
      )}
      {draft && (
        <SilenceForm
          key={draft.id || 'new'}
          start={draft}
          known={known}
          now={now}
          follow={(next) => set(writeDraft(next))}
          cancel={close}
          saved={(id) => {
            setSaid(draft.id ? 'The silence was saved.' : 'The silence was made.');
            set({ ...NO_DRAFT, open: id }, true);
            live.retry();
            sent.retry();
          }}
        />
      )}
      <div className="row">
        {!draft && (
          <button type="button" className="button primary" onClick={() => set({ new: '{}' }, true)}>
            New silence
          </button>
        )}
        {data.length > 0 && <Controls all={fitting} states={states} text={text} set={set} />}
        <span className="spread" />
        <span className="quiet">Times in {zoneName(zone, now)}</span>
        {data.length > 0 && (
          <CopyButton text={() => silencesCsv(states.flatMap((state) => ofState(fitting, state)))} label="Copy CSV" />
        )}
      </div>
      <p className="quiet silences-said" role="status">
        {said}
      </p>
      {data.length === 0 && !draft && (
        <Empty title="Nothing is silenced">
          <p>
            A silence keeps alerts from notifying anybody for a while: during maintenance, or while somebody works on
            what they say. They stay on the page of alerts, marked as silenced.
          </p>
          <p>Begin one above, or with the button Silence beside an alert.</p>
        </Empty>
      )}
      {data.length > 0 && states.every((state) => ofState(fitting, state).length === 0) && (
        <Empty title={text ? 'No silence fits the filter' : 'No silence is active or pending'}>
          <p>
            <button
              type="button"
              className="button"
              onClick={() => set(text ? { q: undefined } : { state: 'active,pending,expired' })}
            >
              {text ? 'Clear the filter' : 'Show expired ones'}
            </button>
          </p>
        </Empty>
      )}
      {states.map((state) => (
        <StateList
          key={state}
          state={state}
          silences={ofState(fitting, state)}
          now={now}
          open={search.open ?? ''}
          ended={(what) => {
            setSaid(what);
            live.retry();
            sent.retry();
          }}
        />
      ))}
    </div>
  );
}

type ControlProps = {
  all: readonly Silence[];
  states: readonly SilenceState[];
  text: string;
  set: (values: Record<string, string | undefined>) => void;
};

function Controls(props: ControlProps) {
  const { all, states, text, set } = props;
  const toggle = (state: SilenceState) => {
    const next = STATES.filter((s) => (s === state ? !states.includes(s) : states.includes(s)));
    const usual = next.length === 2 && !next.includes('expired');
    set({ state: usual ? undefined : next.join(',') });
  };
  return (
    <>
      <input
        className="input silences-filter"
        placeholder="Filter by label, comment or name"
        aria-label="Filter silences"
        value={text}
        onChange={(event) => set({ q: event.target.value || undefined })}
      />
      <div className="joined silences-states" role="group" aria-label="State">
        {STATES.map((state) => (
          <button
            key={state}
            type="button"
            className="button"
            aria-pressed={states.includes(state)}
            onClick={() => toggle(state)}
          >
            {STATE_WORD[state]} {ofState(all, state).length}
          </button>
        ))}
      </div>
    </>
  );
}

type ListProps = {
  state: SilenceState;
  silences: readonly Silence[];
  now: number;
  open: string;
  ended: (text: string) => void;
};

function StateList(props: ListProps) {
  const { silences, state } = props;
  const [shown, setShown] = useState(SHOWN);
  if (silences.length === 0) return null;
  const rest = silences.length - shown;
  return (
    <section className="silence-list" aria-label={`${STATE_WORD[state]} silences`}>
      <h2>
        {STATE_WORD[state]} <span className="quiet">{silences.length}</span>
      </h2>
      <ul>
        {silences.slice(0, shown).map((silence) => (
          <SilenceRow
            key={silence.id}
            silence={silence}
            now={props.now}
            fresh={silence.id === props.open}
            ended={props.ended}
          />
        ))}
      </ul>
      {rest > 0 && (
        <div className="row">
          <span className="quiet">
            {shown} of {silences.length} are listed. Filter by words, or
          </span>
          <button type="button" className="button small" onClick={() => setShown(shown + SHOWN)}>
            Show {Math.min(rest, SHOWN)} more
          </button>
        </div>
      )}
    </section>
  );
}
