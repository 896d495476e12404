// One alert: how bad, since when, at which value, what it says, and which labels it has.
import type { Labels } from '../api/prometheus';
import { parseValue } from '../api/prometheus';
import { type AlertingRule, whenMs } from '../api/rules';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import { formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { inferUnit } from '../units/infer';
import type { LabelFilter } from './filters';
import { type Alert, readAnnotations, safeLink } from './model';
import { levelWord } from './severity';
import { splitThreshold } from './threshold';

type Props = {
  alert: Alert;
  rule: AlertingRule;
  /** Those that are not said above. */
  labels: Labels;
  now: number;
  filterBy: (label: LabelFilter) => void;
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
      <span className="alert-value" title={`Value ${formatExact(value)}`}>
        {formatValue(value, unit)}
      </span>
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
        <LabelPills labels={props.labels} filterBy={props.filterBy} />
      </div>
    </li>
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
