// Searches that people keep by name, for all who use the server.
import type { Search } from '../logs/state';
import { call, get, read, send } from './http';

export type Saved = { name: string; search: Search; savedAt: number };

const ROOT = '/api/afferent/v1/logs/searches';
const at = (name: string) => `${ROOT}/${encodeURIComponent(name)}`;

export async function fetchSearches(signal?: AbortSignal): Promise<Saved[]> {
  return (await get<Saved[]>(ROOT, {}, signal)).data;
}

/** In place of one of that name; answers the new list, as does the next. */
export async function saveSearch(name: string, search: Search): Promise<Saved[]> {
  const headers = { 'content-type': 'application/json' };
  const response = await send(at(name), { method: 'PUT', headers, body: JSON.stringify({ search }) });
  return (await read<Saved[]>(response, ROOT)).data;
}

export async function forgetSearch(name: string): Promise<Saved[]> {
  return (await call<Saved[]>('DELETE', at(name))).data;
}
