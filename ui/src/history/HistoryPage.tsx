// History: every change, attempt, edit and acknowledgement of a range; and what of it is noise.
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { useTime } from '../shell/time';
import { Controls } from './Controls';
import { EventList } from './EventList';
import { NoiseTab } from './NoiseTab';
import { NO_FILTER, readHistory, requestOf } from './state';
import './history.css';

const TABS = [
  ['events', 'Events'],
  ['noise', 'Noise'],
] as const;

export function HistoryPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const { range } = useTime();
  const now = useNow();
  const state = useMemo(() => readHistory(search), [search]);
  const set = (values: Record<string, string | undefined>) => {
    void navigate({ to: '/history', search: (old: Search) => ({ ...old, ...values }), replace: true } as never);
  };
  const { start, end } = range;
  const request = useMemo(() => requestOf(state, { start, end }), [state, start, end]);
  const filtered = Object.keys(NO_FILTER).some((key) => search[key]);
  return (
    <div className="history">
      <nav className="joined" aria-label="Parts of the history">
        {TABS.map(([name, word]) => (
          <Link
            key={name}
            to="/history"
            search={{ ...search, tab: name }}
            className="button"
            aria-current={name === state.tab ? 'page' : undefined}
          >
            {word}
          </Link>
        ))}
      </nav>
      {state.tab === 'noise' ? (
        <NoiseTab state={state} sort={search.sort} set={set} />
      ) : (
        <>
          <Controls state={state} set={set} />
          <EventList
            request={request}
            filtered={filtered}
            now={now}
            open={state.open}
            setOpen={(key) => set({ open: key || undefined })}
            clear={() => set(NO_FILTER)}
          />
        </>
      )}
    </div>
  );
}
