// Status: how the server itself is doing. The tab is part of the address; each keeps what it was asked.
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { Search } from '../router-search';
import { CardinalityTab } from './CardinalityTab';
import { TAB_LABEL, TABS, tabOf } from './model';
import { QueriesTab } from './QueriesTab';
import { StoreTab } from './StoreTab';
import './status.css';

/** Puts values into the address; `undefined` takes one out. Pushed where Back should lead to what was seen before. */
export type SetSearch = (values: Record<string, string | undefined>, push?: boolean) => void;
export type TabProps = { search: Search; set: SetSearch };

export function StatusPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const tab = tabOf(search.tab);
  const set: SetSearch = (values, push = false) => {
    void navigate({ to: '/status', search: (old: Search) => ({ ...old, ...values }), replace: !push } as never);
  };
  return (
    <div className="status">
      <nav className="joined" aria-label="Parts of the status">
        {TABS.map((name) => (
          <Link
            key={name}
            to="/status"
            search={{ ...search, tab: name }}
            className="button"
            aria-current={name === tab ? 'page' : undefined}
          >
            {TAB_LABEL[name]}
          </Link>
        ))}
      </nav>
      {tab === 'store' && <StoreTab search={search} set={set} />}
      {tab === 'cardinality' && <CardinalityTab search={search} set={set} />}
      {tab === 'queries' && <QueriesTab search={search} set={set} />}
    </div>
  );
}
