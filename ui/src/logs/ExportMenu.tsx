// All lines of the search as a file, however many there are.
import { type RefObject, useEffect, useRef, useState } from 'react';
import type { Span } from '../api/loki';
import { download } from '../parts/Copy';
import { Popup } from '../parts/Popup';
import { formatExact } from '../units/format';
import { exportLines, type Format, openSink } from './export';
import { parseQuery } from './query';
import type { LogsState } from './state';

type Props = {
  anchor: RefObject<HTMLButtonElement | null>;
  close: () => void;
  query: string;
  state: LogsState;
  span: Span;
};

export default function ExportMenu(props: Props) {
  const { state, span, query } = props;
  const [count, setCount] = useState<number | null>(null);
  const [said, setSaid] = useState('');
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const metric = parseQuery(query)?.metric ?? false;

  const start = async (format: Format) => {
    const control = new AbortController();
    running.current = control;
    setSaid('');
    try {
      const sink = await openSink(`logs.${format}`, download);
      setCount(0);
      const request = { query, ...span, direction: state.direction };
      const total = await exportLines(request, format, state.columns, sink, setCount, control.signal);
      setSaid(`${formatExact(total)} lines were written.`);
    } catch (error) {
      const stopped = control.signal.aborted || (error as Error).name === 'AbortError';
      setSaid(stopped ? 'Stopped.' : `It stopped early: ${(error as Error).message}`);
    }
    setCount(null);
  };
  return (
    <Popup anchor={props.anchor} close={props.close} label="Export" className="saved">
      <p>
        Every line of the search and the range, not only those on screen; closing this stops it. Times are in UTC with
        nanoseconds.
      </p>
      {metric && <p className="quiet">This query gives numbers. Export works for lines.</p>}
      <div className="row">
        <button type="button" className="button" disabled={metric || count !== null} onClick={() => start('ndjson')}>
          NDJSON
        </button>
        <button type="button" className="button" disabled={metric || count !== null} onClick={() => start('csv')}>
          CSV
        </button>
        {count !== null && (
          <button type="button" className="button" onClick={() => running.current?.abort()}>
            Stop
          </button>
        )}
      </div>
      <p role="status" className="quiet">
        {count !== null ? `${formatExact(count)} lines written` : said}
      </p>
    </Popup>
  );
}
