// The fields that there are: labels of streams, and what the server found in metadata and lines.
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { detectedFields, detectedLabels, logLabels, type Span } from '../api/loki';
import { rank } from '../shell/match';
import { formatExact } from '../units/format';
import { FieldValues } from './FieldValues';
import { fieldsOf, type LogLine } from './lines';
import { type FieldFilter, type FieldSource, selectorOf } from './query';
import { LINE, type LogsState, toggleColumn } from './state';

export type KnownField = { name: string; source: FieldSource; type: string; values: number | null };

/** The server's findings; where it has none, what the lines on screen hold. */
const SAMPLE = 200;

function sourceOf(parsers: string[] | null): FieldSource {
  if (!parsers || parsers.length === 0) return 'metadata';
  return parsers.includes('json') ? 'json' : 'logfmt';
}

function fromLines(lines: readonly LogLine[]): KnownField[] {
  const found = new Map<string, KnownField>();
  for (const line of lines.slice(0, SAMPLE)) {
    for (const { name, source } of fieldsOf(line)) {
      if (!found.has(name)) found.set(name, { name, source, type: 'string', values: null });
    }
  }
  return [...found.values()];
}

export function useFields(query: string, span: Span, lines: readonly LogLine[]) {
  const selector = selectorOf(query);
  const at = [String(span.start), String(span.end)];
  const labels = useQuery({
    queryKey: ['log-detected-labels', selector, ...at],
    queryFn: async ({ signal }): Promise<KnownField[]> => {
      const found = await detectedLabels(selector, span, signal).catch(() => []);
      if (found.length > 0) {
        return found.map((l) => ({ name: l.label, source: 'label', type: 'string', values: l.cardinality }));
      }
      const names = await logLabels(span, selector, signal);
      return names.map((name) => ({ name, source: 'label', type: 'string', values: null }));
    },
    placeholderData: (old) => old,
    enabled: selector !== '',
  });
  const fields = useQuery({
    queryKey: ['log-detected-fields', query, ...at],
    queryFn: async ({ signal }): Promise<KnownField[]> =>
      (await detectedFields(query, span, signal)).map((f) => ({
        name: f.label,
        source: sourceOf(f.parsers),
        type: f.type,
        values: f.cardinality,
      })),
    placeholderData: (old) => old,
  });
  return useMemo(() => {
    const seen = fromLines(lines);
    const known = labels.data ?? seen.filter((f) => f.source === 'label');
    const names = new Set(known.map((f) => f.name));
    const others = fields.data && fields.data.length > 0 ? fields.data : seen.filter((f) => f.source !== 'label');
    return {
      labels: known,
      fields: others.filter((f) => !names.has(f.name)).sort((a, b) => (a.name < b.name ? -1 : 1)),
      error: fields.error ?? labels.error,
    };
  }, [labels.data, labels.error, fields.data, fields.error, lines]);
}

type Props = {
  query: string;
  span: Span;
  state: LogsState;
  set: (values: Partial<LogsState>, push?: boolean) => void;
  filter: (what: FieldFilter, op: '=' | '!=') => void;
  total: number | null;
  lines: readonly LogLine[];
  close: () => void;
};

export function FieldBar(props: Props) {
  const { state, set } = props;
  const [text, setText] = useState('');
  const { labels, fields, error } = useFields(props.query, props.span, props.lines);
  const chosen = state.columns.filter((c) => c !== LINE);
  const all = [...labels, ...fields];
  const groups: [string, KnownField[]][] = [
    [
      'Columns',
      chosen.map((name) => all.find((f) => f.name === name) ?? { name, source: 'json', type: '', values: null }),
    ],
    ['Labels', labels],
    ['Fields', fields],
  ];
  return (
    <aside className="fields" aria-label="Fields">
      <div className="row fields-head">
        <input
          className="input"
          placeholder="Filter fields"
          aria-label="Filter fields"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="button" className="button small fields-close" onClick={props.close}>
          Close
        </button>
      </div>
      {error && <p className="quiet">Fields of the lines shown; the server could not list them: {error.message}.</p>}
      {groups.map(([title, list]) => {
        const passing = rank(list, text, (f) => f.name);
        if (passing.length === 0) return null;
        return (
          <section key={title}>
            <h2>
              {title} <span className="quiet">{passing.length}</span>
            </h2>
            <ul>
              {passing.map((field) => (
                <FieldRow
                  key={field.name}
                  {...props}
                  field={field}
                  open={state.field === field.name}
                  titled={title}
                  set={set}
                />
              ))}
            </ul>
          </section>
        );
      })}
      {all.length === 0 && <p className="quiet">Labels and fields of what was found are listed here.</p>}
    </aside>
  );
}

const TYPES: Record<string, string> = { int: '#', float: '#', duration: 's', bytes: 'B', boolean: '?', string: 'a' };

function FieldRow(props: Props & { field: KnownField; open: boolean; titled: string }) {
  const { field, open, state, set } = props;
  const column = state.columns.includes(field.name);
  // A column is listed twice; its values unfold where it is at home.
  const unfolded = open && props.titled !== 'Columns';
  return (
    <li className="field" data-open={unfolded}>
      <div className="field-head">
        <button
          type="button"
          className="field-name"
          aria-expanded={unfolded}
          onClick={() => set({ field: open ? '' : field.name })}
        >
          <span className="field-type" title={field.type || 'field'} aria-hidden="true">
            {TYPES[field.type] ?? 'a'}
          </span>
          <span className="field-text">{field.name}</span>
          {field.values !== null && (
            <span className="quiet" title={`${formatExact(field.values)} different values`}>
              {formatExact(field.values)}
            </span>
          )}
        </button>
        <button
          type="button"
          className="field-column"
          aria-pressed={column}
          aria-label={column ? `Remove column ${field.name}` : `Add column ${field.name}`}
          title={column ? 'Remove the column' : 'Show as a column'}
          onClick={() => set({ columns: toggleColumn(state.columns, field.name) })}
        >
          {column ? '−' : '+'}
        </button>
      </div>
      {unfolded && (
        <FieldValues field={field} query={props.query} span={props.span} total={props.total} filter={props.filter} />
      )}
    </li>
  );
}
