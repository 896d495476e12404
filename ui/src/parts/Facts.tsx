// The figures at the head of a page: a word, the number, what it is measured against.
import type { ReactNode } from 'react';
import './facts.css';

export type Fact = { name: string; value: ReactNode; more?: ReactNode; title?: string };

export function Facts(props: { facts: readonly Fact[] }) {
  return (
    <dl className="facts">
      {props.facts.map((fact) => (
        <div key={fact.name}>
          <dt>{fact.name}</dt>
          <dd className="fact-value" title={fact.title}>
            {fact.value}
          </dd>
          {fact.more && <dd className="quiet">{fact.more}</dd>}
        </div>
      ))}
    </dl>
  );
}

/** A share as a bar; the number stands beside it. */
export function Bar(props: { share: number }) {
  return (
    <span className="share" aria-hidden="true">
      <i style={{ width: `${100 * Math.min(1, Math.max(0, props.share))}%` }} />
    </span>
  );
}
