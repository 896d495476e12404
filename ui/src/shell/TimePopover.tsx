// What the time range button opens, as Grafana's picker behaves: quick ranges, and two ends which may be relative.
import { type FormEvent, type RefObject, useRef, useState } from 'react';
import { Popup } from '../parts/Popup';
import { formatTime, zoneName } from '../time/format';
import { isProblem, parseTime, QUICK_RANGES, type RangeProblem, resolveRange } from '../time/range';
import { useTime } from './time';

export default function TimePopover(props: { anchor: RefObject<HTMLButtonElement | null>; close: () => void }) {
  return (
    <Popup anchor={props.anchor} close={props.close} label="Time range" className="time-picker">
      <Quick close={props.close} />
      <Ends close={props.close} />
    </Popup>
  );
}

function Ends(props: { close: () => void }) {
  const time = useTime();
  const readable = (value: string) => (/^\d{9,16}$/.test(value) ? formatTime(Number(value), time.zone) : value);
  const [from, setFrom] = useState(() => readable(time.text.from));
  const [to, setTo] = useState(() => readable(time.text.to));
  const [problem, setProblem] = useState<RangeProblem | null>(null);

  const apply = (event: FormEvent) => {
    event.preventDefault();
    const resolved = resolveRange({ from, to }, Date.now(), time.zone);
    if (isProblem(resolved)) return setProblem(resolved);
    // A date was read in the zone on screen; as epoch milliseconds it means the same to everyone the link is sent to.
    const fixed = (value: string, at: number) => (value.includes('now') ? value.trim() : String(at));
    time.setRange({ from: fixed(from, resolved.start), to: fixed(to, resolved.end) });
    props.close();
  };

  return (
    <form className="time-ends" onSubmit={apply} noValidate>
      <End name="from" label="From" value={from} set={setFrom} problem={problem} />
      <End name="to" label="To" value={to} set={setTo} problem={problem} />
      <button type="submit" className="button primary">
        Apply time range
      </button>
      <p className="quiet">
        <code>now-6h</code>, <code>now/d</code> for the start of today, or a date. Times are in{' '}
        {zoneName(time.zone, time.range.end)}.
      </p>
      {zoneName('browser', time.range.end) !== 'UTC' && (
        <button
          type="button"
          className="button small"
          onClick={() => time.setZone(time.zone === 'utc' ? 'browser' : 'utc')}
        >
          {time.zone === 'utc' ? 'Show browser time' : 'Show UTC'}
        </button>
      )}
    </form>
  );
}

type EndProps = {
  name: 'from' | 'to';
  label: string;
  value: string;
  set: (value: string) => void;
  problem: RangeProblem | null;
};

function End(props: EndProps) {
  const { zone } = useTime();
  const calendar = useRef<HTMLInputElement>(null);
  const wrong = props.problem?.field === props.name ? props.problem.message : null;
  const at = parseTime(props.value, Date.now(), zone, props.name === 'from' ? 'start' : 'end');
  return (
    <div className="time-end">
      <label htmlFor={`time-${props.name}`}>{props.label}</label>
      <div className="time-field">
        <input
          id={`time-${props.name}`}
          className="input"
          value={props.value}
          spellCheck={false}
          autoComplete="off"
          aria-invalid={wrong !== null}
          aria-describedby={`time-${props.name}-note`}
          onChange={(event) => props.set(event.target.value)}
        />
        <button type="button" className="button" onClick={() => calendar.current?.showPicker()}>
          Calendar
        </button>
        <input
          ref={calendar}
          className="time-calendar"
          type="datetime-local"
          step={1}
          tabIndex={-1}
          aria-hidden="true"
          value={at === null ? '' : formatTime(at, zone).replace(' ', 'T')}
          onChange={(event) => event.target.value && props.set(event.target.value.replace('T', ' '))}
        />
      </div>
      <p id={`time-${props.name}-note`} className={wrong ? 'time-wrong' : 'quiet'}>
        {wrong ?? (at === null ? 'Not a time' : formatTime(at, zone))}
      </p>
    </div>
  );
}

function Quick(props: { close: () => void }) {
  const time = useTime();
  const [filter, setFilter] = useState('');
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const ranges = QUICK_RANGES.filter((q) =>
    words.every((w) => q.label.toLowerCase().includes(w) || q.from.includes(w)),
  );
  const choose = (quick: (typeof QUICK_RANGES)[number] | undefined) => {
    if (!quick) return;
    time.setRange({ from: quick.from, to: quick.to });
    props.close();
  };
  return (
    <div className="time-quick">
      <input
        className="input"
        placeholder="Search quick ranges"
        aria-label="Search quick ranges"
        value={filter}
        onChange={(event) => setFilter(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') choose(ranges[0]);
        }}
      />
      <ul>
        {ranges.map((quick) => (
          <li key={quick.label}>
            <button
              type="button"
              className="button plain small"
              aria-pressed={quick.from === time.text.from && quick.to === time.text.to}
              onClick={() => choose(quick)}
            >
              {quick.label}
            </button>
          </li>
        ))}
        {ranges.length === 0 && <li className="quiet">No quick range has this name</li>}
      </ul>
    </div>
  );
}
