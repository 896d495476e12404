import { describe, expect, it } from 'vitest';
import type { ShipperStatus } from '../api/shipper';
import { lineOrigins, troubles } from './shipping';

const status: ShipperStatus = {
  files: [
    { job: 'varlogs', path: '/var/log/syslog', offset: 81_920, size: 81_920, state: 'following' },
    { job: 'varlogs', path: '/var/log/btmp', offset: 0, size: null, state: 'permission denied' },
  ],
  sources: [
    { job: 'docker', kind: 'docker', name: 'shop', lines: 4120, state: 'running' },
    { job: 'docker', kind: 'docker', name: 'unix:///var/run/docker.sock', lines: 0, state: 'no such file' },
  ],
  receivers: [{ host: 'local', lastError: null }],
  bufferBytes: 4096,
  bufferLimit: 1 << 30,
  notices: [],
};

describe('sources of log lines', () => {
  it('come with what is wrong first, then by job', () => {
    expect(lineOrigins(status).map((o) => [o.name, o.good])).toEqual([
      ['unix:///var/run/docker.sock', false],
      ['/var/log/btmp', false],
      ['shop', true],
      ['/var/log/syslog', true],
    ]);
  });

  it('tell how far they are read', () => {
    const read = Object.fromEntries(lineOrigins(status).map((o) => [o.name, o.read]));
    expect(read['/var/log/syslog']).toMatch(/ of /);
    expect(read['/var/log/btmp']).not.toMatch(/ of /);
    expect(read.shop).toContain('lines');
  });

  it('say what stops delivery', () => {
    expect(troubles(status)).toEqual([]);
    const bad = { ...status, receivers: [{ host: 'loki:3100', lastError: '503' }], bufferBytes: 1 << 30 };
    expect(troubles(bad)).toHaveLength(2);
  });
});
