// Where the id of a trace leads: the one place to change when there is a page of traces.
import type { Search } from './state';

/** All lines that name the trace, in every stream of the same range. */
export function traceTarget(id: string, label: string, shell: Search): { to: '/logs'; search: Search } {
  return { to: '/logs', search: { ...shell, q: `{${label}=~".+"} |= \`${id}\`` } };
}
