// One alert unfolded: when it fired over the time range, who is told and why or why not, and what happened last.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { explainAlert, fetchHistory, type GroupExplanation } from '../api/alerting';
import { EventRow } from '../history/EventRow';
import { keysOf } from '../history/model';
import type { Level } from '../parts/Severity';
import { Note, Progress } from '../parts/States';
import { useLive } from '../parts/useLive';
import { When } from '../parts/When';
import { formatLabels } from '../series/labels';
import { useTime } from '../shell/time';
import { formatDuration, formatTime } from '../time/format';
import type { Range } from '../time/range';
import type { Alert } from './model';
import { isQuiet } from './sent';
import { lengthOf, type Piece, timelineOf } from './timeline';

/** Events that are listed here; the page of history has all of them. */
const SHOWN = 8;
const MOST = 1000;

export default function AlertDetail(props: { alert: Alert; now: number }) {
  const { alert, now } = props;
  const id = alert.sent?.fingerprint ?? '';
  const time = useTime();
  const { start, end } = time.range;
  const why = useLive(['explain', id], (signal) => explainAlert(id, signal), 2);
  const past = useQuery({
    queryKey: ['alert-history', id, start, end],
    queryFn: ({ signal }) => fetchHistory({ alert: id, start, end, limit: MOST }, signal),
    placeholderData: (old) => old,
  });
  return (
    <div className="alert-detail">
      <Progress active={why.loading && past.isFetching} />
      {past.error && (
        <Note level="warning" word="No timeline">
          {past.error.message}
        </Note>
      )}
      {past.data && (
        <Strip
          timeline={timelineOf(past.data.events, time.range, now, alert.since, isQuiet(alert))}
          range={time.range}
          level={alert.level}
        />
      )}
      {why.error && (
        <Note level="warning" word="Unexplained">
          {why.error.message}
        </Note>
      )}
      {why.data && (
        <>
          {why.data.acknowledgement?.assignee && (
            <p>
              Assigned to <strong>{why.data.acknowledgement.assignee}</strong>
            </p>
          )}
          <ul className="alert-groups" aria-label="Who is told">
            {why.data.groups.map((group) => (
              <Group key={`${group.groupKey} ${group.receiver}`} group={group} now={now} />
            ))}
          </ul>
          {why.data.groups.length === 0 && <p className="quiet">No route leads to anybody.</p>}
        </>
      )}
      {past.data && <Events key={id} events={past.data.events} now={now} id={id} />}
    </div>
  );
}

function Events(props: { events: Parameters<typeof keysOf>[0]; now: number; id: string }) {
  const { events, now, id } = props;
  const { text } = useTime();
  const keys = useMemo(() => keysOf(events), [events]);
  const [open, setOpen] = useState('');
  return (
    <div>
      <ul className="alert-events" aria-label="Latest events">
        {events.slice(0, SHOWN).map((event, i) => {
          const key = keys[i] ?? '';
          return (
            <li key={key}>
              <EventRow event={event} now={now} open={open === key} toggle={() => setOpen(open === key ? '' : key)} />
            </li>
          );
        })}
      </ul>
      <Link className="button small" to="/history" search={{ alert: id, from: text.from, to: text.to }}>
        {events.length > SHOWN ? `All ${events.length} events` : 'History'}
      </Link>
    </div>
  );
}

function Group(props: { group: GroupExplanation; now: number }) {
  const { group, now } = props;
  return (
    <li>
      <p>
        <strong>{group.receiver}</strong>
        <span className="quiet">
          {' by '}
          {group.route.map((route, i) => (
            <span key={route.id}>
              {i > 0 && ' → '}
              <code>{i === 0 ? 'everything' : route.matchers}</code>
            </span>
          ))}
          {', in the group '}
          <code>{formatLabels(group.groupLabels)}</code>
          {group.nextFlush !== null && (
            <>
              {', looked at again '}
              <When at={group.nextFlush} now={now} future />
            </>
          )}
        </span>
        {group.mutedBy.length > 0 && <span className="alert-mark">Quiet now: {group.mutedBy.join(', ')}</span>}
      </p>
      <ul>
        {group.integrations.map((one) => (
          <li key={one.integration}>
            {one.integration}: {one.lastTold === null ? 'not told yet' : <ToldAt at={one.lastTold} now={now} />}
            {one.waiting && (
              <span className="alert-trouble">
                {`, waits after ${one.waiting.attempts} attempts`}
                {one.waiting.lastError && `: ${one.waiting.lastError}`}
              </span>
            )}
            {one.refused && <span className="alert-trouble">, refused: {one.refused.reason}</span>}
            <span className="quiet">; next: {one.next}</span>
          </li>
        ))}
      </ul>
    </li>
  );
}

function ToldAt(props: { at: number; now: number }) {
  return (
    <>
      told <When at={props.at} now={props.now} />
    </>
  );
}

function Strip(props: { timeline: ReturnType<typeof timelineOf>; range: Range; level: Level }) {
  const { timeline, range } = props;
  const { zone } = useTime();
  const { firing, quiet, told, failed } = timeline;
  const place = (at: number) => (100 * (at - range.start)) / (range.end - range.start);
  const style = ({ start, end }: Piece) => ({ left: `${place(start)}%`, width: `${place(end) - place(start)}%` });
  const span = ({ start, end }: Piece) => `${formatTime(start, zone)} to ${formatTime(end, zone)}`;
  const times = firing.length === 1 ? 'once' : `${firing.length} times`;
  const said =
    firing.length === 0
      ? 'Did not fire in this range'
      : `Fired ${times}, ${formatDuration(Math.round(lengthOf(firing) / 1000))} in all; told ${told.length} times`;
  return (
    <figure className="alert-strip" data-level={props.level} aria-label="Timeline">
      <div className="alert-strip-line" aria-hidden="true">
        {firing.map((piece) => (
          <i key={piece.start} className="strip-firing" style={style(piece)} title={`Firing ${span(piece)}`} />
        ))}
        {quiet.map((piece) => (
          <i key={piece.start} className="strip-quiet" style={style(piece)} title={`Kept quiet ${span(piece)}`} />
        ))}
        {told.map((at) => (
          <i key={at} className="strip-told" style={{ left: `${place(at)}%` }} title={`Told ${formatTime(at, zone)}`} />
        ))}
        {failed.map((at) => (
          <i
            key={at}
            className="strip-failed"
            style={{ left: `${place(at)}%` }}
            title={`Attempt failed ${formatTime(at, zone)}`}
          />
        ))}
      </div>
      <figcaption>
        <time className="quiet">{formatTime(range.start, zone).slice(5, -3)}</time>
        <span>
          {said}
          {quiet.length > 0 && `, kept quiet for ${formatDuration(Math.round(lengthOf(quiet) / 1000))} (hatched)`}
        </span>
        <time className="quiet">{formatTime(range.end, zone).slice(5, -3)}</time>
      </figcaption>
    </figure>
  );
}
