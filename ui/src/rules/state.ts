// The state of the page of rules and its form in the URL: `?q=disk&state=firing&health=err&kind=alerting&order=slowest&open=...`.
import type { Health } from '../api/rules';
import type { Search } from '../router-search';
import { type Filter, type Order, STATES } from './model';

const HEALTHS: readonly Health[] = ['err', 'unknown', 'ok'];

function among<T extends string>(text: string | undefined, allowed: readonly T[]): T[] {
  const wanted = (text ?? '').split(',');
  return allowed.filter((value) => wanted.includes(value));
}

/** Never fails: what a URL says wrongly or not at all filters nothing. */
export function readFilter(search: Search): Filter {
  const { kind } = search;
  return {
    text: search.q ?? '',
    state: among(search.state, STATES),
    health: among(search.health, HEALTHS),
    kind: kind === 'alerting' || kind === 'recording' ? kind : '',
  };
}

export const readOrder = (search: Search): Order => (search.order === 'slowest' ? 'slowest' : 'file');

export const NO_FILTER = { q: undefined, state: undefined, health: undefined, kind: undefined };
