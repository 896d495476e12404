// The filter fields of pages: every word must occur somewhere, however it is written.

export function matchesText(text: string, haystack: readonly string[]): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = haystack.join(' ').toLowerCase();
  return words.every((word) => all.includes(word));
}
