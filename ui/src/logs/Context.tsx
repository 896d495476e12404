// The lines of the same stream before and after one line, whatever the search leaves out.
import * as Dialog from '@radix-ui/react-dialog';
import { useQuery } from '@tanstack/react-query';
import { useLayoutEffect, useRef, useState } from 'react';
import { queryLines } from '../api/loki';
import { CopyButton } from '../parts/Copy';
import { Note, Progress } from '../parts/States';
import { useTime } from '../shell/time';
import { formatTime, zoneName } from '../time/format';
import { LevelMark } from './LevelMark';
import { LineText } from './LineRow';
import { type LogLine, linesOf } from './lines';
import { quote } from './query';

const STEP = 20;
/** How far a neighbour may be, in nanoseconds: a day. */
const REACH = 86_400_000_000_000n;

function streamSelector(line: LogLine): string {
  return `{${Object.entries(line.labels)
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join(', ')}}`;
}

/** A followed line has its metadata among its labels; asked for alone, it has the labels of its stream. */
async function homeOf(line: LogLine, query: string, signal: AbortSignal): Promise<LogLine> {
  const at = BigInt(line.ns);
  const request = { query, start: at, end: at + 1n, limit: 1000, direction: 'forward' as const };
  const found = linesOf(await queryLines(request, signal), 'forward');
  return found.find((l) => l.line === line.line) ?? line;
}

async function neighbours(line: LogLine, query: string, before: number, after: number, signal: AbortSignal) {
  const home = await homeOf(line, query, signal);
  const at = BigInt(line.ns);
  const selector = streamSelector(home);
  const [older, newer] = await Promise.all([
    queryLines({ query: selector, start: at - REACH, end: at, limit: before, direction: 'backward' }, signal),
    queryLines({ query: selector, start: at, end: at + REACH, limit: after + 1, direction: 'forward' }, signal),
  ]);
  const lines = [...linesOf(older, 'backward').reverse(), ...linesOf(newer, 'forward')];
  const own = lines.findIndex((l) => l.ns === line.ns && l.line === line.line);
  return { lines, own, selector, first: own < before, last: lines.length - own - 1 < after };
}

export default function Context(props: {
  line: LogLine;
  query: string;
  raw: boolean;
  marks: readonly string[];
  close: () => void;
}) {
  const { line, query } = props;
  const { zone } = useTime();
  const [sizes, setSizes] = useState({ before: STEP, after: STEP });
  const own = useRef<HTMLLIElement>(null);
  const found = useQuery({
    queryKey: ['log-context', line.key, query, sizes],
    queryFn: ({ signal }) => neighbours(line, query, sizes.before, sizes.after, signal),
    placeholderData: (old) => old,
  });
  const data = found.data;
  useLayoutEffect(() => {
    if (data) own.current?.scrollIntoView({ block: 'center' });
  }, [data]);
  return (
    <Dialog.Root open onOpenChange={(open) => !open && props.close()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog context" aria-describedby={undefined}>
          <div className="dialog-head">
            <Dialog.Title asChild>
              <h2>Surrounding lines</h2>
            </Dialog.Title>
            <span className="quiet">{zoneName(zone, line.ms)}</span>
            <span className="spread" />
            {data && (
              <CopyButton
                label="Copy all"
                text={() => data.lines.map((l) => `${formatTime(l.ms, zone, true)} ${l.line}`).join('\n')}
              />
            )}
            <Dialog.Close className="button small">Close</Dialog.Close>
          </div>
          <Progress active={found.isFetching} />
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reachable by keys */}
          <div className="dialog-body" tabIndex={0}>
            {found.error && (
              <Note level="critical" word="Error">
                The lines could not be read: {found.error.message}.
              </Note>
            )}
            {data && (
              <>
                <code className="context-stream">{data.selector}</code>
                <button
                  type="button"
                  className="button small"
                  disabled={data.first || found.isFetching}
                  onClick={() => setSizes({ ...sizes, before: sizes.before + STEP })}
                >
                  {data.first ? 'No earlier line within a day' : `${STEP} earlier`}
                </button>
                <ol className="context-lines">
                  {data.lines.map((l, i) => (
                    <li
                      key={l.key}
                      ref={i === data.own ? own : undefined}
                      aria-current={i === data.own ? 'true' : undefined}
                    >
                      <span className="quiet">{formatTime(l.ms, zone, true).slice(11)}</span>
                      <LevelMark level={l.level} />
                      <span className="mono">
                        <LineText line={l} raw={props.raw} marks={props.marks} />
                      </span>
                    </li>
                  ))}
                </ol>
                <button
                  type="button"
                  className="button small"
                  disabled={data.last || found.isFetching}
                  onClick={() => setSizes({ ...sizes, after: sizes.after + STEP })}
                >
                  {data.last ? 'No later line within a day' : `${STEP} later`}
                </button>
              </>
            )}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
