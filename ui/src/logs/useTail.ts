// Lines as they come in, over a WebSocket: shown in bursts, held while paused, capped.
import { useEffect, useRef, useState } from 'react';
import { type TailFrame, tailUrl } from '../api/loki';
import { type LogLine, linesOf } from './lines';

export type Tail = {
  /** The newest first. */
  lines: LogLine[];
  state: 'connecting' | 'open' | 'lost';
  /** Lines that came while paused. */
  waiting: number;
  /** Lines that were let go: by the server, which could not keep up, and by the cap. */
  dropped: number;
  cut: number;
};

/** No more lines than this are kept while following. */
export const TAIL_CAP = 5000;
/** Milliseconds between two pictures, and before another attempt to connect. */
const BURST = 250;
const AGAIN = 3000;
/** Lines that were there before, so that the list does not begin empty: of the last minutes, in nanoseconds. */
const BEFORE = { lines: 100, nanoseconds: 600_000_000_000n };
const NOTHING: Tail = { lines: [], state: 'connecting', waiting: 0, dropped: 0, cut: 0 };

/** `expr` null follows nothing. */
export function useTail(expr: string | null, paused: boolean): Tail {
  const [tail, setTail] = useState<Tail>(NOTHING);
  const hold = useRef(paused);
  hold.current = paused;

  useEffect(() => {
    if (expr === null) return;
    let socket: WebSocket | null = null;
    let ended = false;
    let retry = 0;
    let arrived: LogLine[] = [];
    let dropped = 0;
    let overflow = 0;
    let newest = 0n;
    const known = new Set<string>();
    setTail(NOTHING);

    const take = (frame: TailFrame) => {
      dropped += frame.dropped_entries?.length ?? 0;
      for (const line of linesOf(frame.streams ?? [], 'forward')) {
        // After a lost connection the server begins where it stopped, with lines of the same instant again.
        if (known.has(line.key)) continue;
        known.add(line.key);
        const at = BigInt(line.ns);
        if (at > newest) newest = at;
        arrived.push(line);
      }
      if (arrived.length > TAIL_CAP) {
        overflow += arrived.length - TAIL_CAP;
        arrived = arrived.slice(-TAIL_CAP);
      }
      if (known.size > 4 * TAIL_CAP) known.clear();
    };
    const show = () => {
      if (hold.current) {
        setTail((old) => (old.waiting === arrived.length ? old : { ...old, waiting: arrived.length, dropped }));
        return;
      }
      if (arrived.length === 0) {
        setTail((old) => (old.waiting === 0 && old.dropped === dropped ? old : { ...old, waiting: 0, dropped }));
        return;
      }
      const fresh = arrived.reverse();
      const over = overflow;
      arrived = [];
      overflow = 0;
      setTail((old) => {
        const all = fresh.concat(old.lines);
        const cut = old.cut + over + Math.max(0, all.length - TAIL_CAP);
        return { ...old, lines: all.slice(0, TAIL_CAP), waiting: 0, dropped, cut };
      });
    };
    const connect = () => {
      const start = newest > 0n ? newest : BigInt(Date.now()) * 1_000_000n - BEFORE.nanoseconds;
      socket = new WebSocket(tailUrl(expr, start, BEFORE.lines));
      socket.onopen = () => setTail((old) => ({ ...old, state: 'open' }));
      socket.onmessage = (event) => take(JSON.parse(String(event.data)) as TailFrame);
      socket.onclose = () => {
        if (ended) return;
        setTail((old) => ({ ...old, state: 'lost' }));
        retry = window.setTimeout(connect, AGAIN);
      };
    };
    connect();
    const timer = window.setInterval(show, BURST);
    return () => {
      ended = true;
      window.clearTimeout(retry);
      window.clearInterval(timer);
      socket?.close();
    };
  }, [expr]);
  return expr === null ? NOTHING : tail;
}
