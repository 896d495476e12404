// Searches by name, and the last ones run.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, type RefObject, useState } from 'react';
import { Popup } from '../parts/Popup';
import { formatAgo } from '../time/format';
import { forget, readHistory, readSaved, save } from './saved';
import type { Search } from './state';

type Props = { anchor: RefObject<HTMLButtonElement | null>; close: () => void; run: (query: string) => void };

export default function SavedMenu(props: Props) {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const [list, setList] = useState(() => readSaved(localStorage));
  const [history] = useState(() => readHistory(localStorage));
  const [name, setName] = useState('');
  const known = list.some((s) => s.name === name.trim());
  const keep = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '') return;
    const { open: _, ...rest } = search;
    setList(save(localStorage, { name: name.trim(), search: rest }));
    setName('');
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
        <button type="submit" className="button small" disabled={name.trim() === ''}>
          {known ? 'Replace' : 'Save'}
        </button>
      </form>
      <p className="quiet">Kept in this browser only. Copy link shares a search with others.</p>
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
              onClick={() => setList(forget(localStorage, entry.name))}
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
