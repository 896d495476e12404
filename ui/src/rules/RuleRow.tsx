// One rule: state, name and expression, its error, when it was evaluated and how long that took; unfolded, all that is known.
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { whenMs } from '../api/rules';
import { Code } from '../editor/Code';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import type { Search } from '../router-search';
import { formatDuration } from '../time/format';
import { type Entry, HEALTH_LEVEL, HEALTH_WORD, STATE_WORD, splitPath, stateLevel } from './model';
import { RuleDetail } from './RuleDetail';

/** `placed`: the rule stands alone and has to say where it comes from. */
type Props = { entry: Entry; open: string; search: Search; now: number; placed?: boolean };

export function RuleRow(props: Props) {
  const { entry, search, now } = props;
  const { rule, group } = entry;
  const open = props.open === entry.key;
  const row = useRef<HTMLLIElement>(null);
  const wasOpen = useRef(open);
  useEffect(() => {
    // Whoever comes by a link to this rule sees it; whoever unfolds it does already.
    if (wasOpen.current) row.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const { open: _closed, ...closed } = search;
  const active = rule.type === 'alerting' ? (rule.alerts ?? []).length : 0;
  return (
    <li className="rule" ref={row} data-open={open}>
      <div className="rule-line">
        <div className="rule-state">
          {rule.health === 'ok' ? (
            rule.type === 'alerting' ? (
              <Severity level={stateLevel(rule)} word={STATE_WORD[rule.state]} />
            ) : (
              <span className="quiet rule-records">Records</span>
            )
          ) : (
            <Severity level={HEALTH_LEVEL[rule.health]} word={HEALTH_WORD[rule.health]} />
          )}
          {active > 0 && <span className="quiet">{active}</span>}
        </div>
        <div className="rule-what">
          <Link
            to="/rules"
            search={open ? closed : { ...search, open: entry.key }}
            replace
            resetScroll={false}
            aria-expanded={open}
            className="rule-name"
          >
            <span aria-hidden="true" className="rule-turn">
              {open ? '▾' : '▸'}
            </span>
            {rule.name}
          </Link>
          {props.placed && (
            <span className="quiet rule-place">
              {group.name} in {splitPath(group.file).name}, every {formatDuration(group.interval)}
            </span>
          )}
          <div className="rule-expression">
            <Code text={open ? rule.query : rule.query.replace(/\s+/g, ' ')} source={entry.source} />
          </div>
          {rule.lastError && <p className="rule-error">{rule.lastError}</p>}
        </div>
        <div className="rule-when">
          <When at={whenMs(rule.lastEvaluation)} now={now} />
        </div>
        <div className="rule-took number" title="How long its last evaluation took">
          {whenMs(rule.lastEvaluation) === null ? '–' : formatDuration(rule.evaluationTime)}
        </div>
      </div>
      {open && <RuleDetail entry={entry} search={search} now={now} />}
    </li>
  );
}
