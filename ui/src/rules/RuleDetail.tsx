// All that is known of one rule: how it decides, its labels and annotations as written, and the alerts that it has now.
import { Link } from '@tanstack/react-router';
import { levelOf, levelWord } from '../alerts/severity';
import { splitThreshold } from '../alerts/threshold';
import { parseValue } from '../api/prometheus';
import { type ActiveAlert, type AlertingRule, whenMs } from '../api/rules';
import { CopyButton } from '../parts/Copy';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import type { Search } from '../router-search';
import { formatLabels } from '../series/labels';
import { formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { inferUnit } from '../units/infer';
import { type Entry, HEALTH_LEVEL, HEALTH_WORD, queryLink, STATE_WORD } from './model';

/** Alerts of one rule before the page of alerts is the better place. */
const SHOWN = 50;

export function RuleDetail(props: { entry: Entry; search: Search; now: number }) {
  const { rule, group, source } = props.entry;
  const time = Object.fromEntries(['from', 'to', 'tz'].flatMap((k) => (props.search[k] ? [[k, props.search[k]]] : [])));
  const link = queryLink(source, rule.query);
  const alerting = rule.type === 'alerting' ? rule : null;
  return (
    <div className="rule-detail">
      <div className="row">
        <Link className="button small" to={link.to} search={{ ...time, ...link.search }}>
          {source === 'metrics' ? 'Open in Explore' : 'Open in Logs'}
        </Link>
        <CopyButton text={() => rule.query} label="Copy expression" />
        {alerting && (alerting.alerts ?? []).length > 0 && (
          <Link className="button small" to="/alerts" search={{ match: formatLabels({ alertname: rule.name }) }}>
            Show on the page of alerts
          </Link>
        )}
      </div>
      <dl className="rule-facts">
        <Fact name="Health">
          <Severity level={HEALTH_LEVEL[rule.health]} word={HEALTH_WORD[rule.health]} />
        </Fact>
        <Fact name="Kind">{alerting ? 'Alerting' : 'Recording'}</Fact>
        {alerting && (
          <Fact name="Fires after">{alerting.duration > 0 ? formatDuration(alerting.duration) : 'at once'}</Fact>
        )}
        {alerting && alerting.keepFiringFor > 0 && (
          <Fact name="Fires on for">{formatDuration(alerting.keepFiringFor)}</Fact>
        )}
        <Fact name="Group">{group.name}</Fact>
        <Fact name="Evaluated">
          <When at={whenMs(rule.lastEvaluation)} now={props.now} />, every {formatDuration(group.interval)}
        </Fact>
      </dl>
      <Pairs title="Labels" pairs={rule.labels ?? {}} />
      {alerting && <Pairs title="Annotations" pairs={alerting.annotations} />}
      {alerting && <Active rule={alerting} now={props.now} />}
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

function Pairs(props: { title: string; pairs: Record<string, string> }) {
  const pairs = Object.entries(props.pairs);
  if (pairs.length === 0) return null;
  return (
    <div className="rule-part">
      <h4>{props.title}</h4>
      <dl className="rule-pairs">
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function Active(props: { rule: AlertingRule; now: number }) {
  const alerts = props.rule.alerts ?? [];
  if (alerts.length === 0) return <p className="quiet">No series meets the condition now.</p>;
  const unit = inferUnit(splitThreshold(props.rule.query)?.expr ?? props.rule.query);
  return (
    <div className="rule-part">
      <h4>Active alerts</h4>
      <ul className="rule-alerts">
        {alerts.slice(0, SHOWN).map((alert) => (
          <ActiveRow key={formatLabels(alert.labels)} alert={alert} now={props.now} unit={unit} />
        ))}
      </ul>
      {alerts.length > SHOWN && (
        <p className="quiet">
          {SHOWN} of {alerts.length} are listed; the page of alerts has all of them.
        </p>
      )}
    </div>
  );
}

function ActiveRow(props: { alert: ActiveAlert; now: number; unit: ReturnType<typeof inferUnit> }) {
  const { alert } = props;
  const { alertname: _name, severity: _severity, ...labels } = alert.labels;
  const value = parseValue(alert.value);
  return (
    <li>
      <Severity level={levelOf(alert.labels)} word={levelWord(alert.labels)} />
      <span>{STATE_WORD[alert.state]}</span>
      <When at={whenMs(alert.activeAt)} now={props.now} />
      <span title={formatExact(value)}>{formatValue(value, props.unit)}</span>
      <code>{formatLabels(labels)}</code>
    </li>
  );
}
