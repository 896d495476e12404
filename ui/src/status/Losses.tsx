// Status > Store > Damage: what is known to be lost, and what was put aside; nothing where all is well.
import type { StoreStatus } from '../api/status';
import { useTime } from '../shell/time';
import { formatTime } from '../time/format';
import { formatExact, formatValue } from '../units/format';

export function Losses(props: { damage: StoreStatus['damage'] }) {
  const { damage } = props;
  const { zone } = useTime();
  if (damage.lossCount === 0 && damage.quarantinedFiles === 0) return null;
  return (
    <section className="status-part" aria-labelledby="status-damage">
      <h2 id="status-damage">Damage</h2>
      <p className="quiet">
        {formatExact(damage.quarantinedFiles)} {damage.quarantinedFiles === 1 ? 'file' : 'files'} put aside (
        {formatValue(damage.quarantinedBytes, 'bytes')}). Warnings of a loss end when its file is removed and the server
        started again, or with the retention.
      </p>
      {damage.losses.length > 0 && (
        <table className="data-table plain">
          <thead>
            <tr>
              <th>From</th>
              <th>To</th>
              <th>Tenant</th>
              <th className="number">Rows</th>
              <th className="grow">What</th>
              <th>File</th>
            </tr>
          </thead>
          <tbody>
            {damage.losses.map((loss) => (
              <tr key={`${loss.tenant}${loss.what}`}>
                <td>{formatTime(loss.minTime, zone)}</td>
                <td>{formatTime(loss.maxTime, zone)}</td>
                <td>{loss.tenant ?? 'any'}</td>
                <td className="number">{loss.rows === 0 ? '' : formatExact(loss.rows)}</td>
                <td className="grow">{loss.what}</td>
                <td>{loss.file && <code>{loss.file}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
