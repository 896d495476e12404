// One silence: until when, what it keeps quiet, why and by whom; edited, ended or made again.
import { Link } from '@tanstack/react-router';
import { expireSilence, type Silence } from '../api/alerting';
import { whenMs } from '../api/rules';
import { CopyButton } from '../parts/Copy';
import { Sure } from '../parts/Sure';
import { When } from '../parts/When';
import type { Search } from '../router-search';
import { formatDuration } from '../time/format';
import { matchersText, matcherText } from './matchers';
import { describeRecurrence } from './model';
import { silenceSearch } from './state';

type Props = { silence: Silence; now: number; fresh: boolean; ended: (text: string) => void };

export function SilenceRow(props: Props) {
  const { silence, now } = props;
  const { state } = silence.status;
  const end = async () => {
    await expireSilence(silence.id);
    props.ended(`The silence ${matchersText(silence.matchers)} has ended.`);
  };
  const count = silence.matching === 1 ? 'one alert' : `${silence.matching} alerts`;
  return (
    <li className="silence" data-state={state} data-fresh={props.fresh} aria-label={matchersText(silence.matchers)}>
      <div className="silence-time">
        <Until silence={silence} now={now} />
      </div>
      <div className="silence-body">
        <ul className="silence-matchers">
          {silence.matchers.map((matcher) => (
            <li key={matcherText(matcher)}>
              <code>{matcherText(matcher)}</code>
            </li>
          ))}
        </ul>
        <p className="silence-why">{silence.comment}</p>
        <p className="quiet">
          {silence.createdBy}
          {', '}
          <When at={whenMs(silence.updatedAt)} now={now} />
          {silence.remindMinutes ? `, with a reminder ${silence.remindMinutes} minutes before the end` : ''}
        </p>
        {silence.recurrence && (
          <p className="quiet">
            Holds {describeRecurrence(silence.recurrence)}
            {silence.nextStartsAt && (
              <>
                {'; next '}
                <When at={whenMs(silence.nextStartsAt)} now={now} future />
              </>
            )}
          </p>
        )}
      </div>
      <div className="silence-does">
        {state === 'active' && (silence.matching > 0 ? `Keeps ${count} quiet` : 'Keeps nothing quiet now')}
        {state === 'pending' && silence.matching > 0 && `Would keep ${count} quiet now`}
      </div>
      <div className="silence-row-acts">
        {state === 'expired' ? (
          <Link className="button small" to="/silences" search={again(silence)}>
            Silence again
          </Link>
        ) : (
          <>
            <Link
              className="button small"
              to="/silences"
              search={{ edit: silence.id }}
              aria-label={`Edit ${matchersText(silence.matchers)}`}
            >
              Edit
            </Link>
            <Sure
              label="Expire"
              name={`Expire ${matchersText(silence.matchers)}`}
              says={consequence(silence)}
              act="Expire this silence"
              doing="Ending"
              run={end}
            />
          </>
        )}
        <Link className="button small" to="/history" search={{ silence: silence.id, from: 'now-30d', to: 'now' }}>
          History
        </Link>
        <CopyButton text={() => matchersText(silence.matchers)} label="Copy" />
      </div>
    </li>
  );
}

const again = (silence: Silence): Search => silenceSearch(silence.matchers, silence.comment);

function consequence(silence: Silence): string {
  if (silence.status.state === 'pending') return 'It never begins.';
  const count = silence.matching;
  const who = count === 0 ? 'No alert' : count === 1 ? 'One alert' : `${count} alerts`;
  return `${who} will notify again${silence.recurrence ? ', and it does not come back' : ''}.`;
}

function Until(props: { silence: Silence; now: number }) {
  const { silence, now } = props;
  const { state } = silence.status;
  const [start, end] = [whenMs(silence.startsAt), whenMs(silence.endsAt)];
  return (
    <>
      <strong>
        {state === 'pending' ? 'Starts ' : state === 'active' ? 'Ends ' : 'Ended '}
        <When at={state === 'pending' ? start : end} now={now} future={state !== 'expired'} />
      </strong>
      {state === 'active' ? (
        <span className="quiet">
          since <When at={start} now={now} />
        </span>
      ) : (
        start !== null &&
        end !== null && (
          <span className="quiet">
            {state === 'pending' ? 'for' : 'after'} {formatDuration(Math.max(0, Math.round((end - start) / 1000)))}
          </span>
        )
      )}
    </>
  );
}
