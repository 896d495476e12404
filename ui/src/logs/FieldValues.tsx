// The commonest values of a field, counted over all lines of the search, each with a filter for and against it.
import { useQuery } from '@tanstack/react-query';
import { queryVector, type Span } from '../api/loki';
import { formatExact } from '../units/format';
import type { KnownField } from './FieldBar';
import { type FieldFilter, topQuery } from './query';
import { spanMs } from './useTotal';

const SHOWN = 5;

type Props = {
  field: KnownField;
  query: string;
  span: Span;
  total: number | null;
  filter: (what: FieldFilter, op: '=' | '!=') => void;
};

export function FieldValues(props: Props) {
  const { field, query, span } = props;
  const { name, source } = field;
  const top = useQuery({
    queryKey: ['log-top', query, name, source, String(span.start), String(span.end)],
    queryFn: async ({ signal }) => {
      const items = await queryVector(topQuery(query, field, SHOWN, spanMs(span)), span.end, SHOWN, signal);
      return items
        .map((item) => ({ value: item.metric[name] ?? '', count: Number(item.value?.[1] ?? 0) }))
        .sort((a, b) => b.count - a.count);
    },
    placeholderData: (old) => old,
  });
  if (top.error) return <p className="field-values quiet">{top.error.message}</p>;
  if (!top.data) return <p className="field-values quiet">Counting</p>;
  const listed = top.data.reduce((sum, v) => sum + v.count, 0);
  const total = Math.max(props.total ?? listed, listed, 1);
  return (
    <ul className="field-values" aria-label={`Top values of ${name}`}>
      {top.data.map(({ value, count }) => (
        <li key={value}>
          <div className="value-text" title={value}>
            {value === '' ? <i>empty</i> : value}
          </div>
          <span className="share" aria-hidden="true">
            <i style={{ width: `${(100 * count) / total}%` }} />
          </span>
          <span className="number" title={`${formatExact(count)} of ${formatExact(total)} lines`}>
            {percent(count / total)}
          </span>
          <button
            type="button"
            className="field-column"
            aria-label={`Keep ${name} ${value}`}
            title="Keep only these"
            onClick={() => props.filter({ name, value, source }, '=')}
          >
            +
          </button>
          <button
            type="button"
            className="field-column"
            aria-label={`Leave out ${name} ${value}`}
            title="Leave these out"
            onClick={() => props.filter({ name, value, source }, '!=')}
          >
            −
          </button>
        </li>
      ))}
      {top.data.length === 0 && <li className="quiet">No line has it.</li>}
      {field.values !== null && field.values > top.data.length && top.data.length > 0 && (
        <li className="quiet">{formatExact(field.values)} values in all</li>
      )}
    </ul>
  );
}

function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return '<0.1 %';
  return `${value >= 99.95 ? 100 : value.toFixed(1)} %`;
}
