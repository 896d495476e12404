// Lines by their pattern: what is written again and again, how often, and a filter for or against it.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { logPatterns, type Pattern, type Span } from '../api/loki';
import { CopyButton } from '../parts/Copy';
import { Empty, Note, Progress } from '../parts/States';
import { formatExact } from '../units/format';
import { bucketStep } from './histogram';
import { LevelMark } from './LevelMark';
import { levelOf } from './levels';
import { addLineFilter, parseQuery, selectorOf } from './query';
import type { LogsState } from './state';

const SHOWN = 200;
/** Bars of the small picture beside a pattern. */
const BARS = 40;

export type CountedPattern = { pattern: string; level: string; count: number; bars: number[] };

/** The commonest first, each with its counts over the span in equal parts. */
export function countPatterns(patterns: readonly Pattern[], span: Span): CountedPattern[] {
  const start = Number(span.start / 1_000_000n) / 1000;
  const width = Math.max(1, Number(span.end - span.start) / 1e9);
  return patterns
    .map(({ pattern, level, samples }) => {
      const bars = new Array<number>(BARS).fill(0);
      let count = 0;
      for (const [at, n] of samples) {
        const bar = Math.min(BARS - 1, Math.max(0, Math.floor(((at - start) / width) * BARS)));
        bars[bar] = (bars[bar] ?? 0) + n;
        count += n;
      }
      return { pattern, level: level ?? '', count, bars };
    })
    .sort((a, b) => b.count - a.count);
}

type Props = { query: string; span: Span; tick: number; set: (values: Partial<LogsState>, push?: boolean) => void };

export default function Patterns(props: Props) {
  const { query, span, set } = props;
  const selector = selectorOf(query);
  const answer = useQuery({
    queryKey: ['log-patterns', selector, String(span.start), String(span.end), props.tick],
    queryFn: ({ signal }) => logPatterns(selector, span, bucketStep(span, 12 * BARS), signal),
    placeholderData: (old) => old,
  });
  const rows = useMemo(() => countPatterns(answer.data ?? [], span), [answer.data, span]);
  if (answer.error) {
    return (
      <Note level="critical" word="Error">
        The patterns could not be read: {answer.error.message}.
      </Note>
    );
  }
  if (!answer.data) return <Progress active />;
  if (rows.length === 0) {
    return (
      <Empty title="No patterns yet">
        <p>Lines that differ only in numbers, ids and names are grouped here, as they come in.</p>
        <p>None were found for {selector} in this range. A wider range may hold more.</p>
      </Empty>
    );
  }
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  const narrowed = (parseQuery(query)?.stages.length ?? 0) > 0;
  const filter = (op: string, pattern: string) => set({ query: addLineFilter(query, op, pattern), tab: 'lines' }, true);
  return (
    <>
      {narrowed && <p className="quiet">Of all lines of {selector}, whatever the filters behind it.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable. */}
      <section className="data-scroll patterns" aria-label="Patterns" tabIndex={0}>
        <table className="data-table">
          <thead>
            <tr>
              <th className="number">Lines</th>
              <th className="number wide">Share</th>
              <th className="wide">When</th>
              <th className="wide">Level</th>
              <th>Pattern</th>
              <th aria-label="Actions" />
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, SHOWN).map((row) => (
              <tr key={row.level + row.pattern}>
                <td className="number">{formatExact(row.count)}</td>
                <td className="number wide">{((100 * row.count) / total).toFixed(1)} %</td>
                <td className="wide">
                  <Bars values={row.bars} />
                </td>
                <td className="wide">{row.level && <LevelMark level={levelOf(row.level)} />}</td>
                <td className="grow mono" title={row.pattern}>
                  {row.pattern}
                </td>
                <td className="pattern-acts">
                  <button type="button" className="button small" onClick={() => filter('|>', row.pattern)}>
                    Keep
                  </button>
                  <button type="button" className="button small" onClick={() => filter('!>', row.pattern)}>
                    Leave out
                  </button>
                  <CopyButton label="Copy" text={() => row.pattern} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {rows.length > SHOWN && (
        <p className="quiet">
          The {SHOWN} commonest of {formatExact(rows.length)} patterns.
        </p>
      )}
    </>
  );
}

function Bars(props: { values: readonly number[] }) {
  const most = Math.max(1, ...props.values);
  return (
    <svg className="pattern-bars" viewBox={`0 0 ${BARS * 3} 20`} preserveAspectRatio="none" aria-hidden="true">
      {props.values.map((value, i) => {
        const height = value === 0 ? 0 : Math.max(1, (20 * value) / most);
        // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place.
        return <rect key={i} x={i * 3} y={20 - height} width="2" height={height} />;
      })}
    </svg>
  );
}
