// The parts of the query as pills: turn one round, or take it out.
import { useMemo } from 'react';
import { negatePart, type Part, parseQuery, removePart } from './query';

const LONGEST = 60;

function words(part: Part): string {
  const text = part.text.length > LONGEST ? `${part.text.slice(0, LONGEST)}…` : part.text;
  return text.replace(/\s+/g, ' ');
}

export function Pills(props: { query: string; setQuery: (query: string) => void }) {
  const { query, setQuery } = props;
  const parts = useMemo(() => {
    const parsed = parseQuery(query);
    return parsed ? [...parsed.matchers, ...parsed.stages] : [];
  }, [query]);
  if (parts.length === 0) return null;
  return (
    <ul className="pills" aria-label="Filters">
      {parts.map((part) => {
        const other = negatePart(query, part);
        const negative = part.op?.startsWith('!') ?? false;
        const all = part.kind === 'matcher' && part.op === '=~' && part.value === '.+';
        return (
          <li key={part.start} className="pill" data-negative={negative}>
            {other === null || all ? (
              <code title={part.text}>{words(part)}</code>
            ) : (
              <button
                type="button"
                className="pill-text"
                title={negative ? 'Keep only these' : 'Leave these out'}
                onClick={() => setQuery(other)}
              >
                <code>{words(part)}</code>
              </button>
            )}
            {!all && (
              <button
                type="button"
                className="pill-remove"
                aria-label={`Remove ${words(part)}`}
                onClick={() => setQuery(removePart(query, part))}
              >
                ×
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}
