// Everything that one line holds: its fields with filters, its JSON as a tree, and the line as it came.
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { CopyButton } from '../parts/Copy';
import { writeSearch } from '../router-search';
import type { Json } from './fold';
import { Digits, scalarText } from './fold';
import type { ListProps } from './LineList';
import { bodyOf, fieldsOf, isoNs, type LineField, type LogLine, traceIdOf } from './lines';
import { lineAddress, type Search, toggleColumn } from './state';
import { traceTarget } from './trace';

type View = 'fields' | 'json' | 'raw';
const SOURCES: Record<LineField['source'], string> = {
  label: 'label',
  metadata: 'metadata',
  json: 'json',
  logfmt: 'logfmt',
};

const linkTo = (search: Search, line: LogLine) =>
  `${window.location.origin}/logs${writeSearch(lineAddress(search, line))}`;

export function LineDetail(props: { line: LogLine; list: ListProps }) {
  const { line, list } = props;
  const body = bodyOf(line);
  const [view, setView] = useState<View>('fields');
  const trace = traceIdOf(line);
  const search = useSearch({ strict: false }) as Search;
  const views: [View, string][] = [
    ['fields', 'Fields'],
    ...(body.kind === 'json' ? [['json', 'JSON'] as [View, string]] : []),
    ['raw', 'Raw'],
  ];
  const { from, to, tz } = search;
  const shell = Object.fromEntries(Object.entries({ from, to, tz }).filter(([, v]) => v !== undefined)) as Search;
  return (
    <div className="detail">
      <div className="row">
        <span className="joined">
          {views.map(([name, word]) => (
            <button
              key={name}
              type="button"
              className="button small"
              aria-pressed={view === name}
              onClick={() => setView(name)}
            >
              {word}
            </button>
          ))}
        </span>
        <CopyButton className="button plain small" label="Copy line" text={() => line.line} />
        <CopyButton className="button plain small" label="Copy link" text={() => linkTo(search, line)} />
        <button type="button" className="button plain small" onClick={() => list.around(line.key)}>
          Surrounding lines
        </button>
        {trace && (
          <Link className="button plain small" {...traceTarget(trace, list.label, shell)}>
            Lines of this trace
          </Link>
        )}
        <span className="spread" />
        <time className="quiet">{isoNs(line.ns)}</time>
      </div>
      {view === 'fields' && <Fields line={line} list={list} trace={trace} shell={shell} />}
      {view === 'json' && body.kind === 'json' && (
        <div className="tree mono">
          <Tree value={body.value} />
        </div>
      )}
      {view === 'raw' && <pre className="detail-raw">{line.line}</pre>}
    </div>
  );
}

function Fields(props: { line: LogLine; list: ListProps; trace: string | null; shell: Search }) {
  const { line, list, trace } = props;
  return (
    <table className="detail-fields">
      <tbody>
        {fieldsOf(line).map(({ name, value, source }) => {
          const column = list.state.columns.includes(name);
          const what = { name, value, source };
          return (
            <tr key={name}>
              <td className="detail-acts">
                <button
                  type="button"
                  aria-label={`Keep ${name} ${value}`}
                  title="Keep only these"
                  onClick={() => list.filter(what, '=')}
                >
                  +
                </button>
                <button
                  type="button"
                  aria-label={`Leave out ${name} ${value}`}
                  title="Leave these out"
                  onClick={() => list.filter(what, '!=')}
                >
                  −
                </button>
                <button
                  type="button"
                  aria-pressed={column}
                  aria-label={column ? `Remove column ${name}` : `Add column ${name}`}
                  title={column ? 'Remove the column' : 'Show as a column'}
                  onClick={() => list.set({ columns: toggleColumn(list.state.columns, name) })}
                >
                  ▥
                </button>
              </td>
              <th scope="row">{name}</th>
              <td className="quiet detail-source">{SOURCES[source]}</td>
              <td className="mono detail-value">
                {value === trace && trace ? (
                  <Link {...traceTarget(trace, list.label, props.shell)}>{value}</Link>
                ) : (
                  value
                )}
              </td>
            </tr>
          );
        })}
        {fieldsOf(line).length === 0 && (
          <tr>
            <td className="quiet">The line has no fields.</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

/** Lists and objects with more members than this are folded at first. */
const UNFOLDED = 30;

function Tree(props: { name?: string; value: Json }) {
  const { name, value } = props;
  const label = name === undefined ? null : <span className="tree-name">{name}: </span>;
  if (typeof value !== 'object' || value === null || value instanceof Digits) {
    return (
      <div className="tree-leaf">
        {label}
        <span className={`tree-${value instanceof Digits ? 'number' : typeof value}`}>
          {typeof value === 'string' ? JSON.stringify(value) : scalarText(value)}
        </span>
      </div>
    );
  }
  const members = Array.isArray(value) ? value.map((v, i): [string, Json] => [String(i), v]) : Object.entries(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (members.length === 0) {
    return (
      <div className="tree-leaf">
        {label}
        {open}
        {close}
      </div>
    );
  }
  return (
    <details open={members.length <= UNFOLDED}>
      <summary>
        {label}
        {open}
        <span className="quiet"> {members.length} </span>
        {close}
      </summary>
      <div className="tree-members">
        {members.map(([key, inner]) => (
          <Tree key={key} name={key} value={inner} />
        ))}
      </div>
    </details>
  );
}
