// When an alert fired and when it was kept quiet, from its events, as pieces of a time range.
import type { EventKind, HistoryEvent } from '../api/alerting';
import type { Range } from '../time/range';

export type Piece = { start: number; end: number };
export type Timeline = {
  firing: Piece[];
  quiet: Piece[];
  /** Instants at which somebody was told, and at which that failed. */
  told: number[];
  failed: number[];
};

/**
 * `events` in any order; `since`: it fires now and began then. What began before the range is known from what ended in it, and what
 * has not ended goes on where it is known to.
 */
export function timelineOf(
  events: readonly HistoryEvent[],
  range: Range,
  now: number,
  since: number | null,
  quietNow: boolean,
): Timeline {
  const sorted = [...events].sort((a, b) => a.at - b.at);
  const span = { start: range.start, end: Math.min(range.end, now) };
  const at = (...kinds: EventKind[]) => sorted.filter((event) => kinds.includes(event.kind)).map((event) => event.at);
  return {
    firing: pieces(sorted, 'firing', 'resolved', span, since),
    quiet: pieces(sorted, 'muted', 'unmuted', span, quietNow ? span.start : null),
    told: at('sent'),
    failed: at('failed', 'dead'),
  };
}

/** `since`: where it holds now, when that began at the latest; null where it does not. */
function pieces(
  sorted: readonly HistoryEvent[],
  begins: EventKind,
  ends: EventKind,
  span: Piece,
  since: number | null,
): Piece[] {
  const changes = sorted.filter(
    ({ kind, at }) => (kind === begins || kind === ends) && at >= span.start && at <= span.end,
  );
  const out: Piece[] = [];
  let open = changes[0]?.kind === ends ? span.start : null;
  for (const { kind, at } of changes) {
    if (kind === begins) open ??= at;
    else if (open !== null) {
      out.push({ start: open, end: at });
      open = null;
    }
  }
  if (changes.length === 0 && since !== null && since < span.end) open = Math.max(span.start, since);
  if (open !== null && since !== null) out.push({ start: open, end: span.end });
  return out;
}

export const lengthOf = (list: readonly Piece[]): number =>
  list.reduce((sum, piece) => sum + (piece.end - piece.start), 0);
