// Which series are drawn: all but some, or some alone. Kept in the URL as `hide=` or `only=`, keys joined by dots.

export type Visibility = { mode: 'hide' | 'only'; keys: string[] };
export const ALL_VISIBLE: Visibility = { mode: 'hide', keys: [] };

export function isVisible(visibility: Visibility, key: string): boolean {
  return visibility.keys.includes(key) === (visibility.mode === 'only');
}

/** Shows one series alone; a second time, all again. */
export function isolate(visibility: Visibility, key: string): Visibility {
  const alone = visibility.mode === 'only' && visibility.keys.length === 1 && visibility.keys[0] === key;
  return alone ? ALL_VISIBLE : { mode: 'only', keys: [key] };
}

/** Shows or hides one series and leaves the others; hiding the last one shows all. */
export function toggle(visibility: Visibility, key: string): Visibility {
  const has = visibility.keys.includes(key);
  const keys = has ? visibility.keys.filter((k) => k !== key) : [...visibility.keys, key];
  return keys.length === 0 ? ALL_VISIBLE : { mode: visibility.mode, keys };
}
