// What the page says in place of lines: nothing stored, nothing found, where to begin.
import { useQuery } from '@tanstack/react-query';
import { logLabelValues } from '../api/loki';
import { Command } from '../parts/Copy';
import { Empty } from '../parts/States';
import { useTime } from '../shell/time';
import { formatTime } from '../time/format';
import { parseQuery, quote, removePart } from './query';
import type { LogsState } from './state';

const promtail = (origin: string) => `clients: [{url: '${origin}/loki/api/v1/push'}]
scrape_configs: [{job_name: varlog, static_configs: [{labels: {job: varlog, __path__: /var/log/*.log}}]}]`;

const curl = (origin: string) =>
  `curl -H 'Content-Type: application/json' '${origin}/loki/api/v1/push' -d '{"streams":[{"stream":{"service_name":"hello"},"values":[["'$(date +%s%N)'","a first line"]]}]}'`;

export function NoLogs() {
  const { origin } = window.location;
  const { text, range, zone, zoomOut } = useTime();
  return (
    <Empty title="No logs in this range">
      <p>
        Every line that is sent here can be searched within seconds. Nothing was stored between{' '}
        {formatTime(range.start, zone)} and {formatTime(range.end, zone)}.
      </p>
      {text.to !== 'now' && (
        <p>
          <button type="button" className="button" onClick={zoomOut}>
            Zoom out
          </button>
        </p>
      )}
      <p>Send one line to try it:</p>
      <Command text={curl(origin)} />
      <p>Promtail, Alloy and Fluent Bit push to the same address; for Promtail:</p>
      <Command text={promtail(origin)} />
    </Empty>
  );
}

export function Absent() {
  return (
    <Empty title="This server has no logs">
      <p>It answers no question about them: it is older than this page, or logs are turned off in its configuration.</p>
      <Command text="afferent status" />
    </Empty>
  );
}

const SHOWN = 30;

export function Welcome(props: { labels: string[]; set: (values: Partial<LogsState>, push?: boolean) => void }) {
  const { range } = useTime();
  const name = ['service_name', 'service', 'app', 'job'].find((l) => props.labels.includes(l)) ?? props.labels[0] ?? '';
  const span = { start: BigInt(Math.round(range.start)) * 1_000_000n, end: BigInt(Math.round(range.end)) * 1_000_000n };
  const values = useQuery({
    queryKey: ['log-values', name, String(span.start), String(span.end)],
    queryFn: ({ signal }) => logLabelValues(name, span, '', signal),
    enabled: name !== '',
  });
  const all = `{${name}=~".+"}`;
  const queries = [all, ...(values.data ?? []).slice(0, SHOWN).map((value) => `{${name}=${quote(value)}}`)];
  return (
    <Empty title="What are you looking for?">
      <p>Type LogQL above and press Enter, or begin with one of these streams.</p>
      <ul className="starters">
        {queries.map((query) => (
          <li key={query}>
            <button type="button" className="starter" onClick={() => props.set({ query }, true)}>
              <span>{query === all ? 'All lines' : query}</span>
            </button>
          </li>
        ))}
      </ul>
    </Empty>
  );
}

export function NothingFound(props: { query: string; setQuery: (query: string) => void }) {
  const { range, zone, refresh, zoomed, zoomBack, zoomOut } = useTime();
  const stages = parseQuery(props.query)?.stages ?? [];
  const last = stages.at(-1);
  return (
    <Empty title="No line fits">
      <p>
        Between {formatTime(range.start, zone)} and {formatTime(range.end, zone)} nothing was stored that fits the
        search.
      </p>
      <div className="row">
        {zoomed && (
          <button type="button" className="button" onClick={zoomBack}>
            Back to the range before
          </button>
        )}
        <button type="button" className="button" onClick={zoomOut}>
          Zoom out
        </button>
        {last && (
          <button type="button" className="button" onClick={() => props.setQuery(removePart(props.query, last))}>
            Take off the last filter
          </button>
        )}
      </div>
      {refresh !== 'off' && <p className="quiet">Asking again every {refresh}.</p>}
    </Empty>
  );
}
