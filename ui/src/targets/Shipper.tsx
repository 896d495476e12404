// What this server reads log lines from, beside the targets it asks for metrics.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { fetchShipper } from '../api/shipper';
import { Severity } from '../parts/Severity';
import { Note } from '../parts/States';
import { useTime } from '../shell/time';
import { lineOrigins, troubles } from './shipping';

const SHOWN = 100;

export function Shipper() {
  const { tick } = useTime();
  const { data, error, refetch } = useQuery({ queryKey: ['shipper'], queryFn: ({ signal }) => fetchShipper(signal) });
  useEffect(() => {
    if (tick > 0) void refetch();
  }, [tick, refetch]);
  const [shown, setShown] = useState(SHOWN);
  const origins = useMemo(() => (data ? lineOrigins(data) : []), [data]);
  if (!data) {
    return error ? (
      <Note level="warning" word="Partial">
        What log lines are read from could not be listed ({error.message}).
      </Note>
    ) : null;
  }
  return (
    <section className="shipper" aria-labelledby="shipper-title">
      <h2 id="shipper-title">Log sources</h2>
      {troubles(data).map((text) => (
        <Note key={text} level="critical" word="Logs">
          {text}
        </Note>
      ))}
      {data.notices.map((text) => (
        <Note key={text} level="info" word="Notice">
          {text}
        </Note>
      ))}
      {origins.length === 0 && <p className="quiet">No file or container fits promtail-config.yaml yet.</p>}
      {origins.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>State</th>
              <th>Job</th>
              <th>Kind</th>
              <th className="grow">Source</th>
              <th className="number">Read</th>
            </tr>
          </thead>
          <tbody>
            {origins.slice(0, shown).map((o) => (
              <tr key={o.key}>
                <td>
                  <Severity level={o.good ? 'ok' : 'warning'} word={o.good ? o.state : 'Waits'} />
                </td>
                <td>{o.job}</td>
                <td>{o.kind}</td>
                <td className="grow">
                  <code>{o.name}</code>
                  {!o.good && <div className="quiet">{o.state}</div>}
                </td>
                <td className="number">{o.read}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {origins.length > shown && (
        <button type="button" className="button small" onClick={() => setShown(shown + 5 * SHOWN)}>
          Show more
        </button>
      )}
    </section>
  );
}
