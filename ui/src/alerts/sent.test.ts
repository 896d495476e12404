// Alerts of rules joined with what the dispatcher knows; and when one of them fired.
import { describe, expect, it } from 'vitest';
import type { HistoryEvent, SentAlert } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import type { Entry } from '../rules/model';
import type { Alert } from './model';
import { acksOf, foreignOf, isForeign, joinSent, ofHandled, type Sent } from './sent';
import { lengthOf, timelineOf } from './timeline';

const own = (labels: Labels): Alert => ({
  key: JSON.stringify(labels),
  labels,
  level: 'critical',
  since: 0,
  active: { labels, annotations: {}, state: 'firing', activeAt: '', value: '1' },
  from: { rule: { query: 'up == 0' } } as Entry,
  sent: null,
  ack: null,
});
const sent = (fingerprint: string, labels: Labels, more: Partial<SentAlert> = {}): SentAlert => ({
  labels,
  annotations: {},
  fingerprint,
  startsAt: '2026-01-01T00:00:00Z',
  endsAt: '',
  receivers: [],
  status: { state: 'active', silencedBy: [], inhibitedBy: [], mutedBy: [] },
  ...more,
});
const known = (alerts: SentAlert[], acks: Sent['acks'] = new Map()): Sent => ({ alerts, acks, at: START + 10_000 });
const START = Date.parse('2026-01-01T00:00:00Z');

describe('alerts of rules', () => {
  it('are found again among those that were sent, with external labels or without', () => {
    const alerts = [own({ alertname: 'A', host: 'a' }), own({ alertname: 'A', host: 'b' }), own({ alertname: 'New' })];
    const joined = joinSent(
      alerts,
      known([sent('1', { alertname: 'A', host: 'b' }), sent('2', { alertname: 'A', host: 'a', cluster: 'eu' })]),
      new Set(),
    );
    expect(joined.map((alert) => alert.sent?.fingerprint)).toEqual(['2', '1', undefined]);
  });

  it('are followed by what other systems have sent', () => {
    const joined = joinSent(
      [own({ alertname: 'A' })],
      known([
        sent('1', { alertname: 'A' }),
        sent('2', { alertname: 'Backup', severity: 'warning' }),
        sent('3', { alertname: 'Renamed' }, { generatorURL: 'http://here/graph?g0.expr=up+%3D%3D+0&g0.tab=1' }),
      ]),
      new Set(['up == 0']),
    );
    expect(joined.map((alert) => [alert.labels.alertname, isForeign(alert.from)])).toEqual([
      ['A', false],
      ['Backup', true],
    ]);
    expect(joined[1]).toMatchObject({ level: 'warning', since: START });
  });

  it('are told from those of others', () => {
    const alerts = [sent('1', { alertname: 'A', cluster: 'eu' }), sent('2', { alertname: 'B' })];
    expect(foreignOf([{ alertname: 'A' }], alerts).map((alert) => alert.fingerprint)).toEqual(['2']);
  });

  it('are acknowledged for as long as they fire', () => {
    const events = [
      { at: START + 3, kind: 'unacknowledged', alert: '2' },
      { at: START + 2, kind: 'acknowledged', alert: '1', by: 'ann', text: 'mine' },
      { at: START + 1, kind: 'acknowledged', alert: '2', by: 'bob' },
      { at: START - 1, kind: 'acknowledged', alert: '3', by: 'bob' },
    ] as HistoryEvent[];
    const acks = acksOf(events);
    expect([...acks.keys()]).toEqual(['1', '3']);
    const joined = joinSent([], known([sent('1', {}), sent('2', {}), sent('3', {})], acks), new Set());
    expect(joined.map((alert) => alert.ack?.by)).toEqual(['ann', undefined, undefined]);
    const ahead = sent('1', {}, { startsAt: '2026-01-01T01:00:00Z' });
    expect(joinSent([], known([ahead], acks), new Set())[0]?.ack?.by).toBe('ann');
    const quiet = { state: 'suppressed', silencedBy: ['x'], inhibitedBy: [], mutedBy: [] };
    const mixed = [...joined, ...joinSent([], known([sent('4', {}, { status: quiet })]), new Set())];
    const counts = (['', 'open', 'quiet', 'acknowledged'] as const).map((handled) => ofHandled(mixed, handled).length);
    expect(counts).toEqual([4, 2, 1, 1]);
  });
});

describe('the timeline', () => {
  const range = { start: 1000, end: 2000 };
  const at = (kind: HistoryEvent['kind'], ms: number): HistoryEvent => ({ at: ms, kind });
  const firing = (events: HistoryEvent[], since: number | null, now = 1900) =>
    timelineOf(events, range, now, since, false).firing.map(({ start, end }) => [start, end]);

  it('has what began before, and what goes on', () => {
    expect(firing([at('resolved', 1200), at('firing', 1500), at('resolved', 1600)], null)).toEqual([
      [1000, 1200],
      [1500, 1600],
    ]);
    expect(firing([at('firing', 1800), at('resolved', 1200)], 1800)).toEqual([
      [1000, 1200],
      [1800, 1900],
    ]);
    expect(firing([], 500)).toEqual([[1000, 1900]]);
    expect(firing([], 1700)).toEqual([[1700, 1900]]);
    expect(firing([], null)).toEqual([]);
    expect(firing([], 2500)).toEqual([]);
  });

  it('has quiet times and attempts', () => {
    const events = [at('muted', 1100), at('unmuted', 1300), at('sent', 1400), at('failed', 1450), at('dead', 1460)];
    const timeline = timelineOf(events, range, 1900, 900, false);
    expect(timeline.quiet).toEqual([{ start: 1100, end: 1300 }]);
    expect([timeline.told, timeline.failed]).toEqual([[1400], [1450, 1460]]);
    expect(lengthOf(timeline.quiet)).toBe(200);
    expect(timelineOf([], range, 1900, 900, true).quiet).toEqual([{ start: 1000, end: 1900 }]);
    expect(timelineOf([at('muted', 1500)], range, 1900, 900, true).quiet).toEqual([{ start: 1500, end: 1900 }]);
  });
});
