// What does not need anybody now, folded: pending alerts, and rules that find nothing.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Severity } from '../parts/Severity';
import type { Entry } from '../rules/model';
import type { SetSearch } from './AlertsPage';
import { levelOf, levelWord } from './severity';
import type { Folded } from './state';

type Props = {
  part: Folded;
  title: string;
  says: string;
  show: readonly Folded[];
  set: SetSearch;
  children: ReactNode;
};

export function Fold(props: Props) {
  const { part, show, set } = props;
  const open = show.includes(part);
  const turn = (next: boolean) => {
    if (next === open) return;
    set({ show: (next ? [...show, part] : show.filter((p) => p !== part)).join(',') || undefined });
  };
  return (
    <details className="alert-fold" open={open} onToggle={(event) => turn(event.currentTarget.open)}>
      <summary>
        <h2>{props.title}</h2>
        <span className="quiet">{props.says}</span>
      </summary>
      {open && props.children}
    </details>
  );
}

export function Quiet(props: { rules: readonly Entry[] }) {
  return (
    <ul className="alert-quiet">
      {props.rules.map(({ key, rule, group }) => (
        <li key={key}>
          <Link to="/rules" search={{ open: key }}>
            {rule.name}
          </Link>
          <Severity level={levelOf(rule.labels ?? {})} word={levelWord(rule.labels ?? {})} />
          <span className="quiet">{group.name}</span>
          {rule.health === 'err' && <Severity level="critical" word="Failing" />}
        </li>
      ))}
    </ul>
  );
}
