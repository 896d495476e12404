import { expect, it } from 'vitest';
import type { DeadLetter, Integration, Outbox, Waiting } from '../api/alerting';
import { aboutOf, countOf, filterOutbox, receiversOf, stateOf } from './model';

const waiting = (id: number, values: Partial<Waiting> = {}): Waiting => ({
  id,
  receiver: 'web',
  integration: 'web/slack[0]',
  kind: 'slack',
  groupKey: '{}:{alertname="A"}',
  groupLabels: { alertname: 'A' },
  reason: 'first notification',
  alerts: 3,
  firing: 2,
  resolved: 1,
  sample: [{ fingerprint: 'f', labels: { host: 'db-1' }, resolved: false }],
  attempts: 0,
  inFlight: false,
  queuedAt: '2026-01-01T00:00:00.000Z',
  nextAttempt: `2026-01-01T00:00:0${id}.000Z`,
  lastError: '',
  ...values,
});
const dead = (id: number, refusedAt: string): DeadLetter => ({
  ...waiting(id),
  refusedAt,
  refusal: 'gone',
  canResend: true,
});
const integration = (name: string, values: Partial<Integration> = {}): Integration => ({
  integration: name,
  receiver: name.split('/')[0] ?? '',
  kind: 'slack',
  sendResolved: true,
  waiting: 0,
  failures: 0,
  inFlight: 0,
  notBefore: null,
  lastTold: 1,
  ...values,
});
const outbox: Outbox = {
  waiting: [
    waiting(3),
    waiting(1, { receiver: 'db', lastError: 'Connection refused' }),
    waiting(2, { inFlight: true }),
  ],
  deadLetters: [dead(1, '2026-01-01T00:00:00Z'), dead(2, '2026-01-02T00:00:00Z')],
  integrations: [integration('web/slack[0]'), integration('db/email[0]', { failures: 3 })],
};

it('what is under way and tried next comes first, what was refused last as well', () => {
  const all = filterOutbox(outbox, { text: '', receiver: '' });
  expect(all.waiting.map((item) => item.id)).toEqual([2, 1, 3]);
  expect(all.deadLetters.map((item) => item.id)).toEqual([2, 1]);
  expect(all.integrations.map((item) => item.receiver)).toEqual(['db', 'web']);
});

it('words and receivers filter', () => {
  expect(filterOutbox(outbox, { text: 'refused connection', receiver: '' }).waiting).toHaveLength(1);
  expect(filterOutbox(outbox, { text: 'db-1 GONE', receiver: '' }).deadLetters).toHaveLength(2);
  expect(filterOutbox(outbox, { text: '', receiver: 'db' }).waiting).toHaveLength(1);
  expect(receiversOf(outbox)).toEqual(['db', 'web']);
});

it('integrations and notifications are put into words', () => {
  const words = (values: Partial<Integration>) => stateOf(integration('x/y[0]', values)).word;
  expect([
    words({ failures: 2 }),
    words({ failures: 1 }),
    words({ waiting: 1 }),
    words({ lastTold: null }),
    words({}),
  ]).toEqual(['Failing', 'Failed once', 'Sending', 'Not used yet', 'Working']);
  expect(countOf(waiting(1))).toBe('2 firing, 1 resolved');
  expect(countOf(waiting(1, { firing: 0, resolved: 0 }))).toBe('3 alerts');
  expect(aboutOf(waiting(1))).toEqual({ name: 'A', rest: '' });
  expect(aboutOf(waiting(1, { groupLabels: { host: 'x' } }))).toEqual({ name: '{host="x"}', rest: '' });
  expect(aboutOf(waiting(1, { groupLabels: {} }))).toEqual({ name: '{alertname="A"}', rest: '' });
});
