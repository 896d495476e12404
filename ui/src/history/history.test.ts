import { describe, expect, it } from 'vitest';
import type { HistoryEvent, NoisyAlert } from '../api/alerting';
import {
  FAMILIES,
  groupName,
  historyCsv,
  KIND_WORD,
  keysOf,
  kindsOf,
  levelOfEvent,
  noisy,
  subjectOf,
  wordOfEvent,
} from './model';
import { readHistory, requestOf } from './state';

const event = (values: Partial<HistoryEvent>): HistoryEvent => ({ at: 1_700_000_000_000, kind: 'firing', ...values });
const LABELS = { alertname: 'DiskFull', severity: 'critical', host: 'a' };

describe('events', () => {
  it('belong to one family each', () => {
    const all = Object.values(FAMILIES).flatMap((family) => family.kinds);
    expect([...all].sort()).toEqual(Object.keys(KIND_WORD).sort());
    expect(kindsOf('alerts')).toEqual(['firing', 'resolved']);
    expect(kindsOf('dead')).toEqual(['dead']);
    expect(kindsOf('nonsense')).toEqual([]);
    expect(kindsOf('toString')).toEqual([]);
  });

  it('say what they are about', () => {
    expect(subjectOf(event({ labels: LABELS }))).toEqual({ name: 'DiskFull', rest: '{host="a"}' });
    expect(subjectOf(event({ labels: { host: 'a' } }))).toEqual({ name: '{host="a"}', rest: '' });
    const sent = { receiver: 'team/slack[0]', group: '{}/{a="b"}:{alertname="A"}', alerts: ['1', '2'] };
    expect(subjectOf(event({ kind: 'sent', ...sent }))).toEqual({
      name: 'team/slack[0]',
      rest: '2 alerts of {alertname="A"}',
    });
    expect(subjectOf(event({ kind: 'retired', group: '{}:{}' }))).toEqual({ name: '{}', rest: '' });
    expect(subjectOf(event({ kind: 'silence_created', silence: '5e1e0000-0000' })).name).toBe('Silence 5e1e0000');
    expect(subjectOf(event({ kind: 'reloaded' }))).toEqual({ name: '', rest: '' });
    expect(groupName('no key')).toBe('no key');
  });

  it('are as bad as what they tell', () => {
    expect([levelOfEvent(event({ labels: LABELS })), wordOfEvent(event({ labels: LABELS }))]).toEqual([
      'critical',
      'Firing, critical',
    ]);
    expect(levelOfEvent(event({ kind: 'sent' }))).toBeNull();
    expect(levelOfEvent(event({ kind: 'dead' }))).toBe('critical');
    expect(wordOfEvent(event({}))).toBe('Firing');
  });

  it('have keys that stay theirs', () => {
    const twice = [event({ text: 'a' }), event({ text: 'a' }), event({ text: 'b' })];
    const keys = keysOf(twice);
    expect(new Set(keys).size).toBe(3);
    expect(keysOf(twice.slice(0, 1))).toEqual(keys.slice(0, 1));
  });

  it('are exported', () => {
    const [head, row] = historyCsv([event({ labels: LABELS, alerts: ['1', '2'], attempt: 2 })]).split(/\r?\n/);
    expect(head).toBe('at,kind,alert,labels,group,receiver,attempt,alerts,silence,by,text');
    expect(row).toContain('2023-11-14T22:13:20.000Z,firing');
    expect(row).toContain('1 2');
  });
});

describe('the address', () => {
  it('becomes a question', () => {
    const state = readHistory({ kind: 'quiet', match: '{a="b", c!~"d"}', alert: '0123456789abcdef', tab: 'x' });
    expect(requestOf(state, { start: 1, end: 2 })).toEqual({
      start: 1,
      end: 2,
      limit: 500,
      kind: ['muted', 'unmuted'],
      filter: ['a="b"', 'c!~"d"'],
      alert: '0123456789abcdef',
    });
  });

  it('leaves out what it says wrongly', () => {
    const state = readHistory({ kind: 'x', match: '{a=', alert: 'zz', days: '3', only: 'x' });
    expect(state).toMatchObject({ kind: '', alert: '', days: 7, only: '' });
    expect(requestOf(state, { start: 1, end: 2 })).toEqual({ start: 1, end: 2, limit: 500 });
  });
});

it('noise is narrowed', () => {
  const alert = (values: Partial<NoisyAlert>) => ({ flapping: 0, neverActedOn: false, ...values }) as NoisyAlert;
  const all = [alert({ flapping: 1 }), alert({ neverActedOn: true }), alert({})];
  expect([noisy(all, '').length, noisy(all, 'flapping').length, noisy(all, 'unacted').length]).toEqual([3, 1, 1]);
});
