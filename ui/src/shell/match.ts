// Search by words: every word must occur; better places rank higher, and shorter texts before longer ones.

function score(text: string, words: readonly string[]): number | null {
  let total = 0;
  for (const word of words) {
    const at = text.indexOf(word);
    if (at < 0) return null;
    const starts = at === 0 || /[^a-z0-9]/.test(text[at - 1] ?? '');
    total += starts ? 0 : 10;
    total += Math.min(at, 40) / 40;
  }
  return total + Math.min(text.length, 200) / 100;
}

/** Items that hold every word of `query`, best first; all, in their order, for an empty query. */
export function rank<T>(items: readonly T[], query: string, textOf: (item: T) => string): T[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...items];
  const scored: { item: T; value: number }[] = [];
  for (const item of items) {
    const value = score(textOf(item).toLowerCase(), words);
    if (value !== null) scored.push({ item, value });
  }
  return scored.sort((a, b) => a.value - b.value).map((s) => s.item);
}
