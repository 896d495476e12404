// One event: when, what, about whom, and what was said; unfolded, all that is known of it and where it leads.
import { Link } from '@tanstack/react-router';
import type { HistoryEvent } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import { Severity } from '../parts/Severity';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { exactly, matchersText } from '../silences/matchers';
import { formatAgo, formatTime, zoneName } from '../time/format';
import { levelOfEvent, subjectOf, wordOfEvent } from './model';
import './events.css';

type Props = {
  event: HistoryEvent;
  now: number;
  open: boolean;
  toggle: () => void;
};

export function EventRow(props: Props) {
  const { event, open } = props;
  const { zone } = useTime();
  const level = levelOfEvent(event);
  const { name, rest } = subjectOf(event);
  return (
    <div className="event" data-open={open}>
      <button type="button" className="event-line" aria-expanded={open} onClick={props.toggle}>
        <time
          dateTime={new Date(event.at).toISOString()}
          title={`${formatTime(event.at, zone, true)} ${zoneName(zone, event.at)}, ${formatAgo(event.at, Math.max(props.now, event.at))}`}
        >
          {formatTime(event.at, zone).slice(5)}
        </time>
        <span className="event-kind">
          {level ? <Severity level={level} word={wordOfEvent(event)} /> : wordOfEvent(event)}
        </span>
        <span className="event-what">
          <strong>{name}</strong> <span className="quiet">{rest}</span>
        </span>
        <span className="event-text">
          {event.attempt ? <span className="quiet">attempt {event.attempt} </span> : null}
          {event.text}
          {event.by && <span className="quiet"> {event.by}</span>}
        </span>
      </button>
      {open && <EventDetail event={event} />}
    </div>
  );
}

/** The same time range and zone, other filters. */
const only = (values: Search) => (old: Record<string, string | undefined>) =>
  ({
    ...Object.fromEntries(['from', 'to', 'tz'].flatMap((key) => (old[key] ? [[key, old[key]]] : []))),
    ...values,
  }) as Search;

function EventDetail(props: { event: HistoryEvent }) {
  const { event } = props;
  const { alert, silence, labels, alerts, receiver, group } = event;
  return (
    <div className="event-detail">
      {labels && <LabelList labels={labels} />}
      <dl className="event-facts">
        {event.text && <Fact name="Said">{event.text}</Fact>}
        {event.by && <Fact name="By">{event.by}</Fact>}
        {receiver && (
          <Fact name="Receiver">
            <Link to="/history" search={only({ receiver: receiver.split('/')[0] ?? receiver })}>
              {receiver}
            </Link>
          </Fact>
        )}
        {group && <Fact name="Group">{<code>{group}</code>}</Fact>}
        {alert && (
          <Fact name="Alert">
            <Link to="/history" search={only({ alert })}>
              {alert}
            </Link>
          </Fact>
        )}
        {silence && (
          <Fact name="Silence">
            <Link to="/silences" search={{ state: 'active,pending,expired', q: silence }}>
              {silence}
            </Link>
          </Fact>
        )}
        {alerts && alerts.length > 0 && (
          <Fact name="Alerts">
            {alerts.slice(0, 20).map((fingerprint) => (
              <Link key={fingerprint} to="/history" search={only({ alert: fingerprint })}>
                {fingerprint}
              </Link>
            ))}
            {alerts.length > 20 && <span className="quiet">and {alerts.length - 20} more</span>}
          </Fact>
        )}
      </dl>
      <div className="row">
        {alert && (
          <Link className="button small" to="/history" search={only({ alert })}>
            All of this alert
          </Link>
        )}
        {silence && (
          <Link className="button small" to="/history" search={only({ silence })}>
            All of this silence
          </Link>
        )}
        {labels?.alertname && (
          <Link
            className="button small"
            to="/history"
            search={only({ match: matchersText(exactly({ alertname: labels.alertname })) })}
          >
            All called {labels.alertname}
          </Link>
        )}
        {labels && Object.keys(labels).length > 0 && (
          <Link className="button small" to="/routing" search={{ labels: matchersText(exactly(labels)) }}>
            Who would be told
          </Link>
        )}
      </div>
    </div>
  );
}

function Fact(props: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function LabelList(props: { labels: Labels }) {
  return (
    <ul className="event-labels">
      {exactly(props.labels).map(({ name, value }) => (
        <li key={name}>
          <Link to="/history" search={only({ match: matchersText(exactly({ [name]: value })) })}>
            <span className="quiet">{name}=</span>
            {value}
          </Link>
        </li>
      ))}
    </ul>
  );
}
