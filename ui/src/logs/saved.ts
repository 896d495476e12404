// Searches kept by this browser until the server keeps them: by name, and the last ones run.
import type { Search } from './state';

export type Saved = { name: string; search: Search };
export type Ran = { query: string; at: number };
type Store = Pick<Storage, 'getItem' | 'setItem'>;

const SAVED = 'afferent.logs.saved';
const HISTORY = 'afferent.logs.history';
const KEPT = 50;

function readList<T>(store: Store, key: string, isGood: (item: T) => boolean): T[] {
  try {
    const list = JSON.parse(store.getItem(key) ?? '[]');
    return Array.isArray(list) ? list.filter(isGood) : [];
  } catch {
    return [];
  }
}

export function readSaved(store: Store): Saved[] {
  return readList<Saved>(store, SAVED, (s) => typeof s?.name === 'string' && typeof s.search === 'object');
}

/** A name stands for one search: saving again replaces it. */
export function save(store: Store, entry: Saved): Saved[] {
  const list = [...readSaved(store).filter((s) => s.name !== entry.name), entry];
  list.sort((a, b) => a.name.localeCompare(b.name));
  store.setItem(SAVED, JSON.stringify(list));
  return list;
}

export function forget(store: Store, name: string): Saved[] {
  const list = readSaved(store).filter((s) => s.name !== name);
  store.setItem(SAVED, JSON.stringify(list));
  return list;
}

export function readHistory(store: Store): Ran[] {
  return readList<Ran>(store, HISTORY, (r) => typeof r?.query === 'string' && typeof r.at === 'number');
}

/** The newest first; a query that ran before moves up. */
export function remember(store: Store, query: string, at: number): Ran[] {
  if (query.trim() === '') return readHistory(store);
  const list = [{ query, at }, ...readHistory(store).filter((r) => r.query !== query)].slice(0, KEPT);
  store.setItem(HISTORY, JSON.stringify(list));
  return list;
}
