// One row of controls above the lines: how many, which, and how they are shown; or how the following goes.
import { Severity } from '../parts/Severity';
import { formatDuration } from '../time/format';
import { formatExact } from '../units/format';
import { LIMITS, type LogsState, MOST_LINES } from './state';
import type { Lines } from './useLines';
import { TAIL_CAP, type Tail } from './useTail';

type Props = {
  state: LogsState;
  set: (values: Partial<LogsState>, push?: boolean) => void;
  shown: number;
  total: number | null;
  lines: Lines;
  tail: Tail;
  paused: boolean;
  setPaused: (paused: boolean) => void;
  side: boolean;
  setSide: (side: boolean) => void;
};

function Count(props: Props) {
  const { shown, total, lines } = props;
  if (lines.asked === null) return lines.loading ? 'Searching' : '';
  const of = total !== null && total > shown ? ` of ${formatExact(total)}` : '';
  const took = lines.took > 0 ? ` · ${formatDuration(lines.took / 1000)}` : '';
  const cut = shown >= MOST_LINES ? ' · this page keeps no more: narrow the search, or export it' : '';
  return `${formatExact(shown)}${of} ${shown === 1 && !of ? 'line' : 'lines'}${took}${cut}`;
}

function Following(props: Props) {
  const { tail, paused, setPaused } = props;
  const words = { open: 'Following', connecting: 'Connecting', lost: 'Connection lost, trying again' };
  const level = tail.state === 'open' ? 'ok' : tail.state === 'lost' ? 'critical' : 'unknown';
  return (
    <>
      <Severity level={paused ? 'warning' : level} word={paused ? 'Paused' : words[tail.state]} />
      <button type="button" className="button small" aria-pressed={paused} onClick={() => setPaused(!paused)}>
        {paused ? `Resume${tail.waiting > 0 ? `: ${formatExact(tail.waiting)} waiting` : ''}` : 'Pause'}
      </button>
      <span className="quiet">
        {formatExact(tail.lines.length)} lines
        {tail.cut > 0 && ` · the newest ${formatExact(TAIL_CAP)} are kept`}
        {tail.dropped > 0 && ` · ${formatExact(tail.dropped)} dropped by the server`}
      </span>
    </>
  );
}

export function ListTools(props: Props) {
  const { state, set } = props;
  const limits = (LIMITS as readonly number[]).includes(state.limit) ? LIMITS : [state.limit, ...LIMITS];
  const toggles: ['wrap' | 'raw', string][] = [
    ['wrap', 'Wrap'],
    ['raw', 'Raw'],
  ];
  return (
    <div className="logs-tools" role="toolbar" aria-label="List">
      <button
        type="button"
        className="button small fields-open"
        aria-expanded={props.side}
        onClick={() => props.setSide(!props.side)}
      >
        Fields
      </button>
      <span className="joined">
        <button
          type="button"
          className="button small"
          aria-pressed={state.tab === 'lines'}
          onClick={() => set({ tab: 'lines' })}
        >
          Lines
        </button>
        <button
          type="button"
          className="button small"
          aria-pressed={state.tab === 'patterns'}
          onClick={() => set({ tab: 'patterns', live: false })}
        >
          Patterns
        </button>
      </span>
      <button
        type="button"
        className="button small"
        aria-pressed={state.live}
        onClick={() => {
          props.setPaused(false);
          set({ live: !state.live, tab: 'lines' }, true);
        }}
      >
        Live
      </button>
      {state.live ? (
        <Following {...props} />
      ) : (
        <span className="quiet logs-count" role="status">
          <Count {...props} />
        </span>
      )}
      <span className="spread" />
      {state.tab === 'lines' && (
        <>
          {!state.live && (
            <>
              <select
                className="select logs-select"
                aria-label="Order"
                value={state.direction}
                onChange={(event) => set({ direction: event.target.value as LogsState['direction'] })}
              >
                <option value="backward">Newest first</option>
                <option value="forward">Oldest first</option>
              </select>
              <select
                className="select logs-select"
                aria-label="Lines to load"
                value={state.limit}
                onChange={(event) => set({ limit: Number(event.target.value) })}
              >
                {limits.map((limit) => (
                  <option key={limit} value={limit}>
                    {formatExact(limit)} lines
                  </option>
                ))}
              </select>
            </>
          )}
          <span className="joined">
            {toggles.map(([name, word]) => (
              <button
                key={name}
                type="button"
                className="button small"
                aria-pressed={state[name]}
                onClick={() => set({ [name]: !state[name] })}
              >
                {word}
              </button>
            ))}
          </span>
        </>
      )}
    </div>
  );
}
