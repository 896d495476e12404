// The list of rules: by file and group in the order of evaluation, or all of them with the slowest first.
import { useState } from 'react';
import { whenMs } from '../api/rules';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import type { Search } from '../router-search';
import { formatDuration } from '../time/format';
import { formatValue } from '../units/format';
import {
  cutFiles,
  type Entry,
  type FileList,
  type GroupList,
  groupByFile,
  isLate,
  type Order,
  pace,
  shareOf,
  slowestFirst,
  splitPath,
} from './model';
import { RuleRow } from './RuleRow';

/** Rules before a click is needed for more. */
const SHOWN = 200;

type Props = { entries: readonly Entry[]; order: Order; open: string; search: Search; now: number };

export function RuleList(props: Props) {
  const { entries, order, open } = props;
  const [asked, setAsked] = useState(SHOWN);
  const files = order === 'file' ? groupByFile(entries) : [];
  const sorted = order === 'file' ? files.flatMap((f) => f.groups).flatMap((g) => g.rules) : slowestFirst(entries);
  // A rule that a link leads to is always among those shown.
  const shown = Math.max(asked, sorted.findIndex((entry) => entry.key === open) + 1);
  const rest = sorted.length - shown;
  return (
    <>
      {order === 'file' ? (
        cutFiles(files, shown).map((file) => <FileSection key={`${file.source} ${file.path}`} {...props} file={file} />)
      ) : (
        <ul className="rule-rows" aria-label="Rules, slowest first">
          {sorted.slice(0, shown).map((entry) => (
            <RuleRow key={entry.key} entry={entry} {...props} placed />
          ))}
        </ul>
      )}
      {rest > 0 && (
        <div className="row">
          <span className="quiet">
            {shown} of {sorted.length} rules are listed. Filter by words, state or health, or
          </span>
          <button type="button" className="button small" onClick={() => setAsked(shown + 5 * SHOWN)}>
            Show {Math.min(rest, 5 * SHOWN)} more
          </button>
        </div>
      )}
    </>
  );
}

function FileSection(props: Props & { file: FileList }) {
  const { file } = props;
  const { folder, name } = splitPath(file.path);
  return (
    <section className="rule-file" aria-label={file.path}>
      <h2 title={file.path}>
        <span className="quiet">{folder}</span>
        {name}
        {file.source === 'logs' && <span className="quiet"> over logs</span>}
      </h2>
      {file.groups.map((group) => (
        <GroupSection key={group.group.name} {...props} group={group} />
      ))}
    </section>
  );
}

function GroupSection(props: Props & { group: GroupList }) {
  const { group, rules } = props.group;
  const at = whenMs(group.lastEvaluation);
  return (
    <section className="rule-group" aria-label={`Group ${group.name}`}>
      <div className="rule-group-head">
        <h3>{group.name}</h3>
        <span className="quiet">
          every {formatDuration(group.interval)}
          {group.limit > 0 && `, at most ${group.limit} results each`}
        </span>
        <span className="quiet">
          evaluated <When at={at} now={props.now} never="never" />
        </span>
        {isLate(group, props.now) && <Severity level="warning" word="Late" />}
        {at !== null && <Pace {...props} />}
      </div>
      <ul className="rule-rows">
        {rules.map((entry) => (
          <RuleRow key={entry.key} entry={entry} {...props} />
        ))}
      </ul>
    </section>
  );
}

/** How much of its interval the evaluation takes: at the whole of it evaluations are missed. */
function Pace(props: { group: GroupList }) {
  const { group } = props.group;
  const share = shareOf(group);
  const level = pace(group);
  const text = `took ${formatDuration(group.evaluationTime)}, ${formatValue(share, 'ratio')} of the interval`;
  return (
    <span className="rule-pace">
      <span className="rule-share" data-pace={level} aria-hidden="true">
        <i style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      {level === 'fine' ? (
        <span className="quiet">{text}</span>
      ) : (
        <>
          <Severity
            level={level === 'over' ? 'critical' : 'warning'}
            word={level === 'over' ? 'Too slow' : 'Nearly too slow'}
          />
          <span>{text}</span>
        </>
      )}
    </span>
  );
}
