// What a silence would keep quiet: alerts that fire now, and those that fired in the last days.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { levelOf, levelWord } from '../alerts/severity';
import type { Matcher, Preview } from '../api/alerting';
import { previewSilence } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import { Severity } from '../parts/Severity';
import { Note, Progress } from '../parts/States';
import { useDebounced } from '../parts/useDebounced';
import { When } from '../parts/When';
import { formatLabels } from '../series/labels';
import { matchersText } from './matchers';

/** Days that are looked back. */
const DAYS = 7;
/** Of each list before a click is needed for more. */
const SHOWN = 8;

/** The answer for these conditions, or for those before while it is under way. */
export function usePreview(matchers: readonly Matcher[]) {
  const whole = matchers.filter((m) => m.name.trim() !== '');
  const asked = matchersText(whole);
  const text = useDebounced(asked);
  const query = useQuery({
    queryKey: ['silence-preview', text],
    queryFn: ({ signal }) => previewSilence(whole, DAYS, signal),
    enabled: whole.length > 0 && text === asked,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
  return { ...query, old: query.isPlaceholderData || text !== asked };
}

export function PreviewPart(props: { preview: ReturnType<typeof usePreview>; empty: boolean; now: number }) {
  const { data, error, isFetching, old } = props.preview;
  return (
    <section className="silence-preview" aria-label="Preview">
      <Progress active={isFetching} />
      {props.empty && (
        <p className="quiet">What it would silence is listed here, as soon as one condition is written.</p>
      )}
      {!props.empty && error && (
        <Note level="warning" word="No preview">
          {error.message}
        </Note>
      )}
      {!props.empty && data && !error && (
        <div className={old ? 'dimmed' : undefined}>
          <Body data={data} now={props.now} />
        </div>
      )}
    </section>
  );
}

function Body(props: { data: Preview; now: number }) {
  const { data, now } = props;
  const all = data.firing > 1 && data.now.length === data.firing;
  return (
    <>
      {all && (
        <Note level="warning" word="Everything">
          All {data.firing} alerts that fire now would be silenced.
        </Note>
      )}
      <h3>
        {data.now.length === 0 ? 'Silences nothing now' : `Silences ${data.now.length} of ${data.firing} firing alerts`}
      </h3>
      <ul className="silence-hits" aria-label="Would be silenced now">
        {data.now.slice(0, SHOWN).map((hit) => (
          <Hit key={hit.fingerprint} labels={hit.labels}>
            <When at={hit.startsAt} now={now} />
            {hit.receivers.length > 0 && <span className="quiet">{hit.receivers.join(', ')}</span>}
          </Hit>
        ))}
      </ul>
      <More count={data.now.length} />
      <h3>
        {data.past.length === 0
          ? `Matched nothing in the last ${data.days} days`
          : `Matched ${data.past.length}${data.truncated ? ' or more' : ''} in the last ${data.days} days`}
      </h3>
      <ul className="silence-hits" aria-label={`Matched in the last ${data.days} days`}>
        {data.past.slice(0, SHOWN).map((hit) => (
          <Hit key={hit.fingerprint} labels={hit.labels}>
            <span>{hit.times === 1 ? 'once' : `${hit.times} times`}</span>
            <span className="quiet">
              last <When at={hit.lastAt} now={now} />
            </span>
          </Hit>
        ))}
      </ul>
      <More count={data.past.length} />
      {data.truncated && <p className="quiet">There are more than a thousand: narrow the conditions to see all.</p>}
    </>
  );
}

function Hit(props: { labels: Labels; children: React.ReactNode }) {
  const { alertname, severity: _severity, ...others } = props.labels;
  return (
    <li>
      <Severity level={levelOf(props.labels)} word={levelWord(props.labels)} />
      <strong>{alertname}</strong>
      {props.children}
      <code>{formatLabels(others)}</code>
    </li>
  );
}

function More(props: { count: number }) {
  return props.count > SHOWN ? <p className="quiet">and {props.count - SHOWN} more</p> : null;
}
