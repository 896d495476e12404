// The keyboard: every binding in one list, which the dialog behind `?` prints.

export type Binding = { keys: string; does: string; action: Action };
export type Action =
  | 'search'
  | 'keys'
  | 'go-explore'
  | 'go-logs'
  | 'go-alerts'
  | 'go-silences'
  | 'go-history'
  | 'go-routing'
  | 'go-notifications'
  | 'go-rules'
  | 'go-targets'
  | 'go-status'
  | 'time'
  | 'explore'
  | 'zoom-out'
  | 'earlier'
  | 'later'
  | 'refresh';

/** `Mod` is Ctrl, on a Mac Cmd. Two keys with a space between are pressed one after the other. */
export const BINDINGS: readonly Binding[] = [
  { keys: '/', does: 'Search pages, metrics and actions', action: 'search' },
  { keys: 'Mod+k', does: 'The same, also while typing', action: 'search' },
  { keys: 'g e', does: 'Go to Explore', action: 'go-explore' },
  { keys: 'g l', does: 'Go to Logs', action: 'go-logs' },
  { keys: 'g a', does: 'Go to Alerts', action: 'go-alerts' },
  { keys: 'g i', does: 'Go to Silences', action: 'go-silences' },
  { keys: 'g h', does: 'Go to History', action: 'go-history' },
  { keys: 'g o', does: 'Go to Routing', action: 'go-routing' },
  { keys: 'g n', does: 'Go to Notifications', action: 'go-notifications' },
  { keys: 'g r', does: 'Go to Rules', action: 'go-rules' },
  { keys: 'g t', does: 'Go to Targets', action: 'go-targets' },
  { keys: 'g s', does: 'Go to Status', action: 'go-status' },
  { keys: 'e', does: 'To the query of the page, or to Explore', action: 'explore' },
  { keys: 't', does: 'Choose the time range', action: 'time' },
  { keys: 'z', does: 'Zoom the time range out', action: 'zoom-out' },
  { keys: 'Shift+ArrowLeft', does: 'Half a range earlier', action: 'earlier' },
  { keys: 'Shift+ArrowRight', does: 'Half a range later', action: 'later' },
  { keys: 'r', does: 'Refresh', action: 'refresh' },
  { keys: '?', does: 'This list', action: 'keys' },
];

export type KeyPress = {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
};

/** The name of a key press as BINDINGS writes it; null for a modifier alone or an Alt combination. */
export function keyName(event: KeyPress): string | null {
  if (event.altKey || ['Control', 'Shift', 'Meta', 'Alt', 'AltGraph'].includes(event.key)) return null;
  const mod = event.ctrlKey || event.metaKey ? 'Mod+' : '';
  const named = event.key.length > 1 && event.shiftKey ? 'Shift+' : '';
  return mod + named + (mod ? event.key.toLowerCase() : event.key);
}

/** How long the first key of a pair waits for the second, in milliseconds. */
const PAIR_WAIT = 1500;
export type Pending = { key: string; at: number } | null;

/** What a key press means after `pending`: an action, or the start of a pair. */
export function press(pending: Pending, key: string, at: number): { action: Action | null; pending: Pending } {
  const live = pending !== null && at - pending.at < PAIR_WAIT;
  if (live) {
    const pair = BINDINGS.find((b) => b.keys === `${pending.key} ${key}`);
    if (pair) return { action: pair.action, pending: null };
  }
  const single = BINDINGS.find((b) => b.keys === key);
  if (single) return { action: single.action, pending: null };
  const begins = BINDINGS.some((b) => b.keys.startsWith(`${key} `));
  return { action: null, pending: begins ? { key, at } : null };
}

/** Keys typed into a field belong to the field. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type);
}
