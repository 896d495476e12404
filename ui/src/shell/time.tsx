// The page's time range, refresh and zone: read from the URL, shared by everything that shows data.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import type { Search } from '../router-search';
import {
  absolute,
  isProblem,
  type Range,
  type RangeText,
  resolveRange,
  shift,
  type Zone,
  zoomOut,
} from '../time/range';
import { parseDuration } from '../time/step';

export const DEFAULT_RANGE: RangeText = { from: 'now-1h', to: 'now' };
export const REFRESH_STEPS = ['off', '5s', '10s', '30s', '1m', '5m', '15m', '30m', '1h'] as const;
const ZONE_KEY = 'afferent.zone';

export type PageTime = {
  text: RangeText;
  range: Range;
  zone: Zone;
  refresh: string;
  /** Grows with each refresh, so that queries over a fixed range are asked again too. */
  tick: number;
  setRange: (text: RangeText) => void;
  zoomTo: (range: Range) => void;
  zoomBack: () => void;
  /** Whether a zoom led here, so that there is a range to go back to. */
  zoomed: boolean;
  zoomOut: () => void;
  shift: (direction: -1 | 1) => void;
  setRefresh: (refresh: string) => void;
  refreshNow: () => void;
  setZone: (zone: Zone) => void;
};

const Context = createContext<PageTime | null>(null);

export function useTime(): PageTime {
  const value = useContext(Context);
  if (!value) throw new Error('useTime outside TimeProvider');
  return value;
}

function readZone(search: Search): Zone {
  const text = search.tz ?? localStorage.getItem(ZONE_KEY);
  return text === 'utc' ? 'utc' : 'browser';
}

/** Calls `run` every `interval` while the page is seen, and at once when it is seen again after a longer time. */
function useRefresh(interval: number | null, run: () => void): void {
  useEffect(() => {
    if (interval === null) return;
    let last = Date.now();
    const due = () => {
      if (document.hidden || Date.now() - last < interval * 1000 - 50) return;
      last = Date.now();
      run();
    };
    const timer = window.setInterval(due, Math.min(interval * 1000, 60_000));
    document.addEventListener('visibilitychange', due);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener('visibilitychange', due);
    };
  }, [interval, run]);
}

export function TimeProvider(props: { defaultRefresh: string; children: ReactNode }) {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const [clock, setClock] = useState(() => ({ now: Date.now(), tick: 0 }));
  const zoomed = useRef<RangeText[]>([]);
  const from = search.from ?? DEFAULT_RANGE.from;
  const to = search.to ?? DEFAULT_RANGE.to;
  const zone = readZone(search);
  const refresh = search.refresh ?? props.defaultRefresh;

  const refreshNow = useCallback(() => setClock((old) => ({ now: Date.now(), tick: old.tick + 1 })), []);
  useRefresh(refresh === 'off' ? null : parseDuration(refresh), refreshNow);

  const change = useCallback(
    (values: Search) => {
      setClock((old) => ({ ...old, now: Date.now() }));
      void navigate({ to: '.', search: (old: Search) => ({ ...old, ...values }) } as never);
    },
    [navigate],
  );

  const value = useMemo((): PageTime => {
    const text = { from, to };
    const resolved = resolveRange(text, clock.now, zone);
    const fallback = resolveRange(DEFAULT_RANGE, clock.now, zone);
    const range = isProblem(resolved) ? (fallback as Range) : resolved;
    const setRange = (next: RangeText) => {
      zoomed.current = [];
      change({ from: next.from, to: next.to });
    };
    return {
      text: isProblem(resolved) ? DEFAULT_RANGE : text,
      range,
      zone,
      refresh,
      tick: clock.tick,
      setRange,
      zoomTo: (next) => {
        zoomed.current.push(text);
        change(absolute(next));
      },
      zoomBack: () => {
        const before = zoomed.current.pop();
        change(before ?? absolute(zoomOut(range)));
      },
      zoomed: zoomed.current.length > 0,
      zoomOut: () => setRange(absolute(zoomOut(range))),
      shift: (direction) => setRange(absolute(shift(range, direction, Date.now()))),
      setRefresh: (next) => change({ refresh: next }),
      refreshNow,
      setZone: (next) => {
        localStorage.setItem(ZONE_KEY, next);
        change({ tz: next });
      },
    };
  }, [from, to, zone, refresh, clock, change, refreshNow]);

  return <Context.Provider value={value}>{props.children}</Context.Provider>;
}
