// Files and other sources of log lines as one list.
import type { ShipperStatus } from '../api/shipper';
import { formatExact, formatValue } from '../units/format';

export type LineOrigin = {
  key: string;
  job: string;
  kind: string;
  name: string;
  read: string;
  state: string;
  good: boolean;
};

const GOOD = new Set(['following', 'rotated', 'running']);

/** What is wrong comes first, then by job and name. */
export function lineOrigins(status: ShipperStatus): LineOrigin[] {
  const origin = (job: string, kind: string, name: string, read: string, state: string): LineOrigin => ({
    key: `${job} ${kind} ${name}`,
    job,
    kind,
    name,
    read,
    state,
    good: GOOD.has(state),
  });
  const files = status.files.map((f) => {
    const done = formatValue(f.offset, 'bytes');
    const read = f.size === null ? done : `${done} of ${formatValue(f.size, 'bytes')}`;
    return origin(f.job, 'file', f.path, read, f.state);
  });
  const others = status.sources.map((s) => {
    const lines = s.lines === 1 ? '1 line' : `${formatExact(s.lines)} lines`;
    return origin(s.job, s.kind, s.name, lines, s.state);
  });
  return [...files, ...others].sort(
    (a, b) => Number(a.good) - Number(b.good) || a.job.localeCompare(b.job) || a.name.localeCompare(b.name),
  );
}

/** What the buffer and the receivers say, where that is not the ordinary. */
export function troubles(status: ShipperStatus): string[] {
  const said = status.receivers.flatMap((r) => (r.lastError === null ? [] : [`${r.host}: ${r.lastError}`]));
  if (status.bufferLimit > 0 && status.bufferBytes >= status.bufferLimit) {
    said.push(`the buffer of ${formatValue(status.bufferLimit, 'bytes')} is full; sources wait`);
  }
  return said;
}
