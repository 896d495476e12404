// When a silence holds: once, from a preset to any time; or again and again, in a window by the clock of a zone.
import { useMemo } from 'react';
import type { Recurrence, SilenceLimits } from '../api/alerting';
import { useTime } from '../shell/time';
import { formatAgo, formatDuration, formatTime, zoneName } from '../time/format';
import { parseDuration } from '../time/step';
import { type Draft, DURATIONS, describeRecurrence, type Problem, timesOf, WEEKDAYS } from './model';

type Props = {
  draft: Draft;
  set: (values: Partial<Draft>) => void;
  limits: SilenceLimits | undefined;
  problems: readonly Problem[];
  now: number;
};

function firstWindow(zone: 'utc' | 'browser'): Recurrence {
  const timeZone = zone === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
  return { weekdays: [], start: '22:00', end: '02:00', timeZone };
}

export function WhenFields(props: Props) {
  const { draft, set } = props;
  const { zone } = useTime();
  return (
    <fieldset className="silence-when">
      <legend>When</legend>
      <div className="row">
        <div className="joined" role="group" aria-label="How often">
          <button
            type="button"
            className="button"
            aria-pressed={draft.repeats === null}
            onClick={() => set({ repeats: null })}
          >
            Once
          </button>
          <button
            type="button"
            className="button"
            aria-pressed={draft.repeats !== null}
            onClick={() => set({ repeats: draft.repeats ?? firstWindow(zone) })}
          >
            Again and again
          </button>
        </div>
      </div>
      {draft.repeats ? <Window {...props} repeats={draft.repeats} /> : <Once {...props} />}
    </fieldset>
  );
}

function Once(props: Props) {
  const { draft, set, limits, problems, now } = props;
  const { zone } = useTime();
  const times = timesOf(draft, now, zone);
  const wrong = (field: 'starts' | 'ends') => problems.some((problem) => problem.field === field) || undefined;
  const longest = (limits?.maxDurationMs ?? Number.POSITIVE_INFINITY) / 1000;
  return (
    <>
      <div className="joined silence-presets" role="group" aria-label="Duration">
        {DURATIONS.map((duration) => (
          <button
            key={duration}
            type="button"
            className="button"
            aria-pressed={draft.ends === duration}
            disabled={(parseDuration(duration) ?? 0) > longest}
            onClick={() => set({ ends: duration })}
          >
            {duration}
          </button>
        ))}
      </div>
      <div className="row silence-times">
        <label>
          Starts
          <input
            className="input"
            value={draft.starts}
            placeholder="now"
            aria-invalid={wrong('starts')}
            onChange={(event) => set({ starts: event.target.value })}
          />
        </label>
        <label>
          Ends
          <input
            className="input"
            value={draft.ends}
            placeholder="2h, or 2026-01-31 14:00"
            aria-invalid={wrong('ends')}
            onChange={(event) => set({ ends: event.target.value })}
          />
        </label>
      </div>
      {times && times.end > times.start && (
        <p className="quiet">
          Until {formatTime(times.end, zone)} {zoneName(zone, times.end)}, {formatAgo(times.end, now)}
          {draft.starts.trim() !== '' && `; ${formatDuration((times.end - times.start) / 1000)} in all`}
        </p>
      )}
    </>
  );
}

function Window(props: Props & { repeats: Recurrence }) {
  const { repeats, set, problems } = props;
  const change = (values: Partial<Recurrence>) => set({ repeats: { ...repeats, ...values } });
  const zones = useMemo(() => ['UTC', ...Intl.supportedValuesOf('timeZone')], []);
  const wrong = problems.some((problem) => problem.field === 'window') || undefined;
  return (
    <>
      <div className="joined silence-presets" role="group" aria-label="Days, all where none is chosen">
        {WEEKDAYS.map((day) => {
          const on = repeats.weekdays.includes(day);
          return (
            <button
              key={day}
              type="button"
              className="button"
              aria-pressed={on}
              aria-label={day}
              onClick={() =>
                change({ weekdays: WEEKDAYS.filter((d) => (d === day ? !on : repeats.weekdays.includes(d))) })
              }
            >
              {day.charAt(0).toUpperCase() + day.slice(1, 3)}
            </button>
          );
        })}
      </div>
      <div className="row silence-times">
        <label>
          From
          <input
            className="input"
            inputMode="numeric"
            placeholder="22:00"
            value={repeats.start}
            aria-invalid={wrong}
            onChange={(event) => change({ start: event.target.value })}
          />
        </label>
        <label>
          To
          <input
            className="input"
            inputMode="numeric"
            placeholder="02:00"
            value={repeats.end}
            aria-invalid={wrong}
            onChange={(event) => change({ end: event.target.value })}
          />
        </label>
        <label>
          Time zone
          <input
            className="input"
            list="silence-zones"
            value={repeats.timeZone}
            onChange={(event) => change({ timeZone: event.target.value })}
          />
          <datalist id="silence-zones">
            {zones.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
        <label>
          Last day
          <input
            className="input"
            value={repeats.until ?? ''}
            placeholder="none"
            onChange={(event) => change({ until: event.target.value })}
          />
        </label>
      </div>
      <p className="quiet">
        Holds {describeRecurrence(repeats)}
        {repeats.end <= repeats.start && '; ends on the next day'}
      </p>
    </>
  );
}
