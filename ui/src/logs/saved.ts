// The last searches run, which this browser keeps.
export type Ran = { query: string; at: number };
type Store = Pick<Storage, 'getItem' | 'setItem'>;

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
