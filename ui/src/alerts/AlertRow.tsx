// One alert: how bad, since when, at which value, what it says, and which labels it has.
import { Link } from '@tanstack/react-router';
import type { Labels } from '../api/prometheus';
import { parseValue } from '../api/prometheus';
import { type AlertingRule, whenMs } from '../api/rules';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import { formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { inferUnit } from '../units/infer';
import { Acts, Detail } from './Acts';
import type { LabelFilter } from './filters';
import { type Alert, readAnnotations, safeLink } from './model';
import { isForeign } from './sent';
import { levelWord } from './severity';
import { splitThreshold } from './threshold';

type Props = {
  alert: Alert;
  rule: AlertingRule;
  /** Those that are not said above. */
  labels: Labels;
  now: number;
  filterBy: (label: LabelFilter) => void;
  open: boolean;
  toggle: () => void;
  done: () => void;
};

export function AlertRow(props: Props) {
  const { alert, rule, now } = props;
  const { active } = alert;
  const value = parseValue(active.value);
  const unit = inferUnit(splitThreshold(rule.query)?.expr ?? rule.query);
  const told = readAnnotations(active.annotations);
  const kept = active.keepFiringSince ? whenMs(active.keepFiringSince) : null;
  return (
    <li className="alert">
      <Severity level={alert.level} word={levelWord(alert.labels)} />
      <span className="alert-since">
        <When at={alert.since} now={now} never="Unknown" />
        {active.state === 'pending' && alert.since !== null && (
          <span className="quiet"> {firesIn(alert.since + rule.duration * 1000 - now)}</span>
        )}
      </span>
      {isForeign(alert.from) ? (
        <span className="alert-value" />
      ) : (
        <span className="alert-value" title={`Value ${formatExact(value)}`}>
          {formatValue(value, unit)}
        </span>
      )}
      <div className="alert-body">
        {told.summary && <p className="alert-summary">{told.summary}</p>}
        {told.description && <p className="alert-description">{told.description}</p>}
        {kept !== null && (
          <p className="quiet">
            Its condition no longer holds; kept since <When at={kept} now={now} />
          </p>
        )}
        {(told.runbook || told.others.length > 0) && (
          <ul className="alert-others">
            {told.runbook && (
              <li>
                <a href={told.runbook} target="_blank" rel="noreferrer">
                  Runbook
                </a>
              </li>
            )}
            {told.others.map(([name, text]) => (
              <li key={name}>
                <Other name={name} text={text} />
              </li>
            ))}
          </ul>
        )}
        <Marks alert={alert} now={now} />
        <LabelPills labels={props.labels} filterBy={props.filterBy} />
      </div>
      <Acts alert={alert} open={props.open} toggle={props.toggle} done={props.done} />
      {props.open && alert.sent && <Detail alert={alert} now={now} />}
    </li>
  );
}

/** What keeps it quiet, who has seen it, who is told. */
function Marks(props: { alert: Alert; now: number }) {
  const { sent, ack } = props.alert;
  if (!sent) return null;
  const { silencedBy, inhibitedBy, mutedBy } = sent.status;
  const receivers = sent.receivers.map((receiver) => receiver.name);
  return (
    <p className="alert-marks">
      {silencedBy.map((id) => (
        <Link key={id} className="alert-mark" to="/silences" search={{ q: id, open: id }}>
          Silenced
        </Link>
      ))}
      {inhibitedBy.length > 0 && (
        <Link className="alert-mark" to="/history" search={{ alert: inhibitedBy[0] ?? '', from: 'now-7d', to: 'now' }}>
          Inhibited by another alert
        </Link>
      )}
      {mutedBy.length > 0 && <span className="alert-mark">Quiet: {mutedBy.join(', ')}</span>}
      {ack && (
        <span className="alert-mark">
          Acknowledged by {ack.by} <When at={ack.at} now={props.now} />
          {ack.text && `: ${ack.text}`}
        </span>
      )}
      {receivers.length > 0 && <span className="quiet">{`→ ${[...new Set(receivers)].join(', ')}`}</span>}
    </p>
  );
}

/** `ms` until the condition has held for long enough. */
function firesIn(ms: number): string {
  return ms > 0 ? `fires in ${formatDuration(Math.ceil(ms / 1000))}` : 'fires with the next evaluation';
}

function Other(props: { name: string; text: string }) {
  const link = safeLink(props.text);
  if (link === null) {
    return (
      <>
        <span className="quiet">{props.name}:</span> {props.text}
      </>
    );
  }
  return (
    <a href={link} target="_blank" rel="noreferrer" title={link}>
      {props.name.replace(/_?(url|link)$/i, '') || props.name}
    </a>
  );
}

export function LabelPills(props: { labels: Labels; filterBy: (label: LabelFilter) => void }) {
  const labels = Object.entries(props.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  if (labels.length === 0) return null;
  return (
    <ul className="alert-labels">
      {labels.map(([name, value]) => (
        <li key={name}>
          <button
            type="button"
            title={`Show only alerts with ${name}="${value}"`}
            onClick={() => props.filterBy({ name, op: '=', value })}
          >
            <span className="quiet">{name}=</span>
            {value}
          </button>
        </li>
      ))}
    </ul>
  );
}
