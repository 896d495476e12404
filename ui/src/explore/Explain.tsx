// What each part of a query read and took, as a table whose first column is the tree.
import { useQuery } from '@tanstack/react-query';
import { post } from '../api/http';
import { Progress } from '../parts/States';
import { formatDuration } from '../time/format';
import { formatExact } from '../units/format';
import './explain.css';
import type { Answer } from './useResults';

type Read = {
  selector: string;
  labels?: string;
  series: number;
  samples: number;
  selectSeconds: number;
  decodeSeconds: number;
  stored: { headSeries: number; blocksRead: number; blocksSkipped: number; pagesRead: number; pagesSkipped: number };
};
type Node = {
  kind: string;
  text: string;
  steps: number;
  series: number;
  samples: number;
  totalSeconds: number;
  ownSeconds: number;
  reads?: Read[];
  children?: Node[];
};
type Explanation = {
  seconds: Record<'queued' | 'parse' | 'prepare' | 'evaluate' | 'sort' | 'encode', number>;
  tree: Node | null;
};

const counted = (n: number, word: string) => `${formatExact(n)} ${word}${n === 1 ? '' : 's'}`;

function readText(read: Read): string {
  const { stored } = read;
  const places = [
    ...(stored.headSeries > 0 ? [`${formatExact(stored.headSeries)} series in memory`] : []),
    ...(stored.blocksRead + stored.blocksSkipped > 0
      ? [`${stored.blocksRead} of ${counted(stored.blocksRead + stored.blocksSkipped, 'block')}`]
      : []),
    ...(stored.pagesRead > 0
      ? [`${stored.pagesRead} of ${counted(stored.pagesRead + stored.pagesSkipped, 'page')}`]
      : []),
  ];
  const times = `find ${formatDuration(read.selectSeconds)}, decode ${formatDuration(read.decodeSeconds)}`;
  return [...(read.labels ? [`labels: ${read.labels}`] : []), ...places, times].join(' · ');
}

type Line = { key: string; depth: number; node?: Node; read?: Read };

/** Depth first: a node, what it read, its operands. */
function linesOf(node: Node, depth = 0, key = '0'): Line[] {
  return [
    { key, depth, node },
    ...(node.reads ?? []).map((read, i) => ({ key: `${key}r${i}`, depth: depth + 1, read })),
    ...(node.children ?? []).flatMap((child, i) => linesOf(child, depth + 1, `${key}.${i}`)),
  ];
}

export default function Explain(props: { answer: Answer }) {
  const { expr, start, end, step, kind } = props.answer;
  const params = kind === 'range' ? { query: expr, start, end, step } : { query: expr, time: end };
  const explained = useQuery({
    queryKey: ['explain', params],
    queryFn: ({ signal }) => post<Explanation>('/api/afferent/v1/explain', params, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const data = explained.data?.data;
  const whole = data?.tree?.totalSeconds ?? 0;
  const stages = data ? Object.entries(data.seconds).filter(([, seconds]) => seconds >= 0.0005) : [];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable.
    <section className="explain" aria-label="What the query does" tabIndex={0}>
      <Progress active={explained.isFetching} />
      {explained.error && <p className="metric-none">{explained.error.message}</p>}
      {data && (
        <table>
          <caption className="quiet">
            {data.tree
              ? 'Evaluated once more to see where the time goes. '
              : 'A literal: there is nothing to evaluate. '}
            {stages.map(([name, seconds]) => `${name} ${formatDuration(seconds)}`).join(' · ')}
          </caption>
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col" className="number">
                Series
              </th>
              <th scope="col" className="number">
                Samples
              </th>
              <th scope="col" className="number">
                Own time
              </th>
              <th scope="col">Share</th>
            </tr>
          </thead>
          <tbody>
            {(data.tree ? linesOf(data.tree) : []).map(({ key, depth, node, read }) => (
              <tr key={key}>
                <td style={{ paddingLeft: `calc(var(--s3) + ${depth} * var(--s4))` }}>
                  <code title={node?.text ?? read?.selector}>{node?.text ?? read?.selector}</code>
                  <span className="quiet">
                    {node ? `${node.kind}${node.steps === 1 ? ', once' : ''}` : read && `read · ${readText(read)}`}
                  </span>
                </td>
                <td className="number">{formatExact((node ?? read)?.series ?? 0)}</td>
                <td className="number">{formatExact((node ?? read)?.samples ?? 0)}</td>
                <td className="number">{node && formatDuration(node.ownSeconds)}</td>
                <td>
                  {node && whole > 0 && (
                    <meter min={0} max={whole} value={node.ownSeconds} aria-label={`Share of ${node.kind}`} />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
