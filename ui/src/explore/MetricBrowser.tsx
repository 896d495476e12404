// Find a metric by words of its name or help text.
import * as Dialog from '@radix-ui/react-dialog';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useRef, useState } from 'react';
import { labelValues, metricMetadata } from '../api/prometheus';
import { Progress } from '../parts/States';
import { useRows } from '../parts/useRows';
import { rank } from '../shell/match';

const ROW = 48;

export default function MetricBrowser(props: { close: () => void; choose: (text: string) => void }) {
  const [filter, setFilter] = useState('');
  const scroller = useRef<HTMLDivElement>(null);
  const names = useQuery({
    queryKey: ['label-values', '__name__'],
    queryFn: ({ signal }) => labelValues('__name__', signal),
    staleTime: 60_000,
  });
  const metadata = useQuery({
    queryKey: ['metadata'],
    queryFn: ({ signal }) => metricMetadata(signal),
    staleTime: 60_000,
  });
  const metrics = useMemo(() => {
    const known = metadata.data ?? {};
    return (names.data ?? []).map((name) => {
      const own = known[name]?.[0] ?? known[name.replace(/_(bucket|count|sum|total)$/, '')]?.[0];
      return { name, type: own?.type ?? '', help: own?.help ?? '' };
    });
  }, [names.data, metadata.data]);
  const shown = useMemo(() => rank(metrics, filter, (m) => `${m.name} ${m.type} ${m.help}`), [metrics, filter]);
  const view = useRows(shown.length, scroller, ROW);

  return (
    <Dialog.Root open onOpenChange={(open) => !open && props.close()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" aria-describedby={undefined}>
          <div className="dialog-head">
            <Dialog.Title asChild>
              <h2>Metrics</h2>
            </Dialog.Title>
            <input
              className="input"
              aria-label="Find a metric"
              placeholder="Find by words of the name or the help text"
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && shown[0]) props.choose(shown[0].name);
              }}
            />
            <Dialog.Close className="button small">Close</Dialog.Close>
          </div>
          <Progress active={names.isFetching} />
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable. */}
          <div className="metric-scroll" ref={scroller} tabIndex={0} role="region" aria-label="Metric names">
            {names.error && <p className="metric-none">{names.error.message}</p>}
            {names.data && shown.length === 0 && (
              <p className="metric-none quiet">
                {names.data.length === 0 ? 'No metric has been stored yet' : `No metric speaks of “${filter}”`}
              </p>
            )}
            <ul>
              {view.before > 0 && <li style={{ height: view.before }} aria-hidden="true" />}
              {view.indexes.map((index) => {
                const metric = shown[index];
                if (!metric) return null;
                return (
                  <li key={metric.name} className="metric" style={{ height: ROW }}>
                    <button type="button" className="metric-name" onClick={() => props.choose(metric.name)}>
                      <span className="mono">{metric.name}</span>
                      <span className="quiet metric-help">
                        {metric.type && <b>{metric.type}</b>} {metric.help}
                      </span>
                    </button>
                    {metric.type === 'counter' && (
                      <button
                        type="button"
                        className="button small"
                        aria-label={`Rate of ${metric.name}`}
                        onClick={() => props.choose(`rate(${metric.name}[1m])`)}
                      >
                        Rate
                      </button>
                    )}
                  </li>
                );
              })}
              {view.after > 0 && <li style={{ height: view.after }} aria-hidden="true" />}
            </ul>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
