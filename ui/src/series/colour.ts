// Series colours: one of ten by label set, so that a service keeps its colour across panels and pages.

import type { Series } from './frame';
import { colourSeed } from './labels';

export const PALETTE_SIZE = 10;

/**
 * Palette slots for the series of a chart. Each takes the slot that its labels hash to; where two want the same one and
 * others are free, the next free is taken, in an order that depends on the labels alone.
 */
export function assignSlots(series: readonly Series[]): Map<string, number> {
  const wanted = series.map((s) => ({ key: s.key, seed: colourSeed(s.labels) }));
  wanted.sort((a, b) => a.seed - b.seed || (a.key < b.key ? -1 : 1));
  const slots = new Map<string, number>();
  const taken = new Array<number>(PALETTE_SIZE).fill(0);
  for (const { key, seed } of wanted) {
    const fewest = Math.min(...taken);
    let slot = seed % PALETTE_SIZE;
    while ((taken[slot] ?? 0) > fewest) slot = (slot + 1) % PALETTE_SIZE;
    taken[slot] = (taken[slot] ?? 0) + 1;
    slots.set(key, slot);
  }
  return slots;
}

export const slotVariable = (slot: number) => `--series-${slot}`;
