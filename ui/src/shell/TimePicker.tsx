// The time range as a button, with its neighbours: shift and zoom. What it opens is fetched when it opens.
import { lazy, Suspense, useRef } from 'react';
import { formatTime, zoneName } from '../time/format';
import { describeRange } from '../time/range';
import { useTime } from './time';

const TimePopover = lazy(() => import('./TimePopover'));

export function TimePicker(props: { open: boolean; setOpen: (open: boolean) => void }) {
  const time = useTime();
  const button = useRef<HTMLButtonElement>(null);
  const { range, zone, text } = time;
  const show = (ms: number) => formatTime(ms, zone);
  const label = describeRange(text, show);
  const exact = `${show(range.start)} to ${show(range.end)} ${zoneName(zone, range.end)}`;
  return (
    <span className="joined time">
      <button type="button" className="button" aria-label="Half a range earlier" onClick={() => time.shift(-1)}>
        <span aria-hidden="true">‹</span>
      </button>
      <button
        type="button"
        ref={button}
        className="button time-button"
        title={exact}
        aria-label={`Time range: ${label}, ${zoneName(zone, range.end)}`}
        aria-haspopup="dialog"
        aria-expanded={props.open}
        onClick={() => props.setOpen(!props.open)}
      >
        <span className="time-label">{label}</span>
        <span className="quiet time-zone">{zoneName(zone, range.end)}</span>
      </button>
      <button type="button" className="button" aria-label="Half a range later" onClick={() => time.shift(1)}>
        <span aria-hidden="true">›</span>
      </button>
      <button type="button" className="button time-zoom" onClick={time.zoomOut} title="Zoom out (z)">
        Zoom out
      </button>
      {props.open && (
        <Suspense fallback={null}>
          <TimePopover anchor={button} close={() => props.setOpen(false)} />
        </Suspense>
      )}
    </span>
  );
}
