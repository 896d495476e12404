// Search parameters as flat text, in the order written, so that a URL reads like the query it holds.

export type Search = Record<string, string>;

/** The last of repeated parameters wins. */
export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

/** Leaves readable what links survive unescaped everywhere; a space is `+`. */
export function writeSearch(search: Record<string, unknown>): string {
  const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== null);
  if (pairs.length === 0) return '';
  return `?${pairs.map(([key, value]) => `${encode(key)}=${encode(String(value))}`).join('&')}`;
}

function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/%20/g, '+')
    .replace(/%(3A|2F|2C|40|24)/g, (code) => decodeURIComponent(code));
}
