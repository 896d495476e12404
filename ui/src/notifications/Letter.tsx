// One notification that waits or was refused: what it says, whom it goes to, how often it was tried and what came back.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Waiting } from '../api/alerting';
import { whenMs } from '../api/rules';
import { When } from '../parts/When';
import { formatLabels } from '../series/labels';
import { aboutOf, countOf } from './model';

type Props = {
  item: Waiting;
  now: number;
  /** What happens with it, on the left. */
  state: ReactNode;
  error: string;
  children?: ReactNode;
};

export function Letter(props: Props) {
  const { item, now } = props;
  const { name, rest } = aboutOf(item);
  const hidden = item.alerts - item.sample.length;
  return (
    <div className="letter">
      <div className="letter-state">{props.state}</div>
      <div className="letter-body">
        <p>
          <strong>{name}</strong> <span className="quiet">{rest}</span>
        </p>
        <p>
          To <strong>{item.integration}</strong>: {countOf(item)}
          <span className="quiet">
            {`, ${item.reason}, queued `}
            <When at={whenMs(item.queuedAt)} now={now} />
          </span>
        </p>
        {props.error && <p className="letter-error">{props.error}</p>}
        {item.sample.length > 0 && (
          <details>
            <summary>
              {item.alerts === 1 ? 'The alert' : 'Its alerts'}
              {hidden > 0 && (
                <span className="quiet">
                  {' '}
                  ({item.sample.length} of {item.alerts})
                </span>
              )}
            </summary>
            <ul className="letter-alerts">
              {item.sample.map((alert) => (
                <li key={alert.fingerprint}>
                  <Link to="/history" search={{ alert: alert.fingerprint, from: 'now-7d', to: 'now' }}>
                    <code>{formatLabels(alert.labels)}</code>
                  </Link>
                  <span className="quiet">{alert.resolved ? ' resolved' : ' firing'}</span>
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
      <div className="letter-acts">{props.children}</div>
    </div>
  );
}

export const tried = (attempts: number): string =>
  attempts === 0 ? 'not tried yet' : attempts === 1 ? 'tried once' : `tried ${attempts} times`;
