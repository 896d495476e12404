import { describe, expect, it } from 'vitest';
import { keyName, press } from './keys';
import { rank } from './match';

const event = (key: string, more = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...more,
});

describe('keys', () => {
  it('are named as the list of bindings writes them', () => {
    expect(keyName(event('/'))).toBe('/');
    expect(keyName(event('?', { shiftKey: true }))).toBe('?');
    expect(keyName(event('K', { ctrlKey: true }))).toBe('Mod+k');
    expect(keyName(event('k', { metaKey: true }))).toBe('Mod+k');
    expect(keyName(event('ArrowLeft', { shiftKey: true }))).toBe('Shift+ArrowLeft');
    expect(keyName(event('Shift', { shiftKey: true }))).toBeNull();
    expect(keyName(event('a', { altKey: true }))).toBeNull();
  });

  it('make pairs in time, and mean themselves otherwise', () => {
    const first = press(null, 'g', 0);
    expect(first.action).toBeNull();
    expect(press(first.pending, 't', 500).action).toBe('go-targets');
    expect(press(first.pending, 's', 500).action).toBe('go-status');
    expect(press(first.pending, 'i', 500).action).toBe('go-silences');
    expect(press(first.pending, 't', 5000).action).toBe('time');
    expect(press(first.pending, 'x', 500)).toEqual({ action: null, pending: null });
    expect(press(null, 't', 0).action).toBe('time');
  });
});

describe('search', () => {
  it('wants every word and puts word beginnings and short names first', () => {
    const names = ['node_softnet_cpu_collision_total', 'node_cpu_seconds_total', 'percpu', 'up'];
    expect(rank(names, 'cpu', (n) => n)).toEqual([
      'node_cpu_seconds_total',
      'node_softnet_cpu_collision_total',
      'percpu',
    ]);
    expect(rank(names, 'total soft', (n) => n)).toEqual(['node_softnet_cpu_collision_total']);
    expect(rank(names, ' ', (n) => n)).toEqual(names);
  });
});
