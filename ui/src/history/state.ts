// The state of the page of history and its form in the URL:
// `?kind=notifications&match={team="web"}&receiver=critical&alert=<fingerprint>&silence=<id>&open=...`, and `?tab=noise&days=7&only=flapping`.
import type { HistoryRequest } from '../api/alerting';
import type { Search } from '../router-search';
import { matcherText, parseMatchers } from '../silences/matchers';
import type { Range } from '../time/range';
import { kindsOf, type Only } from './model';

export const DAYS = [1, 7, 30, 90] as const;

export type HistoryState = {
  tab: 'events' | 'noise';
  kind: string;
  match: string;
  receiver: string;
  alert: string;
  silence: string;
  open: string;
  days: number;
  only: Only;
};

/** Never fails: what a URL says wrongly or not at all takes its default. */
export function readHistory(search: Search): HistoryState {
  const days = Number(search.days);
  return {
    tab: search.tab === 'noise' ? 'noise' : 'events',
    kind: kindsOf(search.kind ?? '').length > 0 ? (search.kind ?? '') : '',
    match: search.match ?? '',
    receiver: search.receiver ?? '',
    alert: /^[\da-f]{16}$/.test(search.alert ?? '') ? (search.alert ?? '') : '',
    silence: search.silence ?? '',
    open: search.open ?? '',
    days: DAYS.find((d) => d === days) ?? 7,
    only: search.only === 'flapping' || search.only === 'unacted' ? search.only : '',
  };
}

/** Events of a page, of which more follow. */
const PAGE = 500;

/** What the server is asked; conditions that cannot be read are left out, and marked where they are written. */
export function requestOf(state: HistoryState, range: Range): HistoryRequest {
  const kind = [...kindsOf(state.kind)];
  const filter = (parseMatchers(state.match) ?? []).map(matcherText);
  return {
    start: range.start,
    end: range.end,
    limit: PAGE,
    ...(kind.length > 0 ? { kind } : {}),
    ...(filter.length > 0 ? { filter } : {}),
    ...(state.receiver ? { receiver: state.receiver } : {}),
    ...(state.alert ? { alert: state.alert } : {}),
    ...(state.silence ? { silence: state.silence } : {}),
  };
}

export const NO_FILTER = {
  kind: undefined,
  match: undefined,
  receiver: undefined,
  alert: undefined,
  silence: undefined,
};
