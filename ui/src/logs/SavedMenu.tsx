// Searches by name, which the server keeps, and the last ones run in this browser.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, type RefObject, useState } from 'react';
import { fetchSearches, forgetSearch, type Saved, saveSearch } from '../api/searches';
import { Popup } from '../parts/Popup';
import { Note } from '../parts/States';
import { formatAgo } from '../time/format';
import { readHistory } from './saved';
import type { Search } from './state';

type Props = { anchor: RefObject<HTMLButtonElement | null>; close: () => void; run: (query: string) => void };

const KEY = ['log-searches'];

export default function SavedMenu(props: Props) {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const cache = useQueryClient();
  const kept = useQuery({ queryKey: KEY, queryFn: ({ signal }) => fetchSearches(signal) });
  const show = (list: Saved[]) => cache.setQueryData(KEY, list);
  const saving = useMutation({
    mutationFn: (entry: Pick<Saved, 'name' | 'search'>) => saveSearch(entry.name, entry.search),
    onSuccess: (list) => {
      show(list);
      setName('');
    },
  });
  const forgetting = useMutation({ mutationFn: forgetSearch, onSuccess: show });
  const error = saving.error ?? forgetting.error ?? kept.error;
  const list = kept.data ?? [];
  const [history] = useState(() => readHistory(localStorage));
  const [name, setName] = useState('');
  const known = list.some((s) => s.name === name.trim());
  const keep = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '') return;
    const { open: _, ...rest } = search;
    saving.mutate({ name: name.trim(), search: rest });
  };
  return (
    <Popup anchor={props.anchor} close={props.close} label="Saved searches" className="saved">
      <form className="row" onSubmit={keep}>
        <input
          className="input"
          aria-label="Name of the search"
          placeholder="Name this search"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="button small" disabled={name.trim() === '' || saving.isPending}>
          {known ? 'Replace' : 'Save'}
        </button>
      </form>
      <p className="quiet">Kept by the server, for everyone who uses it.</p>
      {error && (
        <Note level="critical" word="Error">
          {error.message}
        </Note>
      )}
      {list.length > 0 && <h2>Saved</h2>}
      <ul>
        {list.map((entry) => (
          <li key={entry.name}>
            <button
              type="button"
              className="saved-name"
              title={entry.search.q}
              onClick={() => {
                props.close();
                void navigate({ to: '/logs', search: entry.search } as never);
              }}
            >
              <span>{entry.name}</span>
              <code>{entry.search.q}</code>
            </button>
            <button
              type="button"
              className="button plain small"
              aria-label={`Delete ${entry.name}`}
              onClick={() => forgetting.mutate(entry.name)}
            >
              Delete
            </button>
          </li>
        ))}
      </ul>
      {history.length > 0 && <h2>Last run</h2>}
      <ul>
        {history.map((ran) => (
          <li key={ran.query}>
            <button
              type="button"
              className="saved-name"
              title={ran.query}
              onClick={() => {
                props.close();
                props.run(ran.query);
              }}
            >
              <code>{ran.query}</code>
            </button>
            <span className="quiet">{formatAgo(ran.at, Date.now())}</span>
          </li>
        ))}
      </ul>
    </Popup>
  );
}
