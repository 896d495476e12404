// The row of controls between queries and picture.
import type { RefObject } from 'react';
import { chartPng } from '../chart/png';
import { CopyButton, download, downloadCsv } from '../parts/Copy';
import { frameCsv } from '../series/csv';
import { useTime } from '../shell/time';
import { formatTime, zoneName } from '../time/format';
import { absolute } from '../time/range';
import { UNITS, type Unit } from '../units/format';
import type { Drawn } from './GraphView';
import type { DrawStyle, ExploreState } from './state';

type Props = {
  state: ExploreState;
  change: (state: ExploreState) => void;
  add: () => void;
  drawn: RefObject<Map<string, Drawn>>;
};

const STYLES: [DrawStyle, string][] = [
  ['lines', 'Lines'],
  ['stacked', 'Stacked'],
  ['points', 'Points'],
];

export function Toolbar(props: Props) {
  const { state, change } = props;
  const time = useTime();
  const blank = state.queries.every((q) => q.expr === '' || q.off);
  const tab = (name: ExploreState['tab'], label: string) => (
    <button
      type="button"
      className="button"
      aria-pressed={state.tab === name}
      onClick={() => change({ ...state, tab: name })}
    >
      {label}
    </button>
  );

  /** A link shows the recipient what the sender saw: the range is fixed to the instants on screen. */
  const link = () => {
    const url = new URL(window.location.href);
    const fixed = absolute(time.range);
    url.searchParams.set('from', fixed.from);
    url.searchParams.set('to', fixed.to);
    url.searchParams.delete('refresh');
    return url.href;
  };
  const png = async () => {
    const note = `${formatTime(time.range.start, time.zone)} to ${formatTime(time.range.end, time.zone)} ${zoneName(time.zone, time.range.end)}`;
    for (const [name, { chart, look }] of props.drawn.current ?? []) {
      const ids = new Set(look.series.map((s) => s.query));
      const title = state.queries.filter((q) => ids.has(q.id)).map((q) => q.expr);
      const blob = await chartPng(chart, look, title, note);
      if (blob) download(`explore-${name}.png`, blob);
    }
  };
  const csv = () => {
    for (const [name, { frame }] of props.drawn.current ?? []) downloadCsv(`explore-${name}.csv`, frameCsv(frame));
  };

  return (
    <div className="toolbar">
      <button type="button" className="button" onClick={props.add}>
        Add query
      </button>
      <fieldset className="joined" aria-label="Show as">
        {tab('graph', 'Graph')}
        {tab('table', 'Table')}
      </fieldset>
      {state.tab === 'graph' && (
        <>
          <fieldset className="joined" aria-label="Draw as">
            {STYLES.map(([style, label]) => (
              <button
                key={style}
                type="button"
                className="button"
                aria-pressed={state.style === style}
                onClick={() => change({ ...state, style })}
              >
                {label}
              </button>
            ))}
          </fieldset>
          <select
            className="select"
            aria-label="Unit"
            value={state.unit}
            onChange={(event) => change({ ...state, unit: event.target.value as Unit | 'auto' })}
          >
            <option value="auto">Unit: auto</option>
            {Object.entries(UNITS).map(([unit, label]) => (
              <option key={unit} value={unit}>
                {label}
              </option>
            ))}
          </select>
        </>
      )}
      <span className="spread" />
      <CopyButton className="button" text={link} label="Copy link" />
      {state.tab === 'graph' && (
        <>
          <button type="button" className="button" onClick={csv} disabled={blank}>
            CSV
          </button>
          <button type="button" className="button" onClick={png} disabled={blank}>
            PNG
          </button>
        </>
      )}
    </div>
  );
}
