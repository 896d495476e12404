import { describe, expect, it } from 'vitest';
import type { Matcher, Silence } from '../api/alerting';
import { anyOf, exactly, matchersText, parseMatchers } from './matchers';
import { type Draft, describeRecurrence, ofState, postOf, problemsOf, silencesCsv, timesOf } from './model';
import { readDraft, readRecurrence, readStates, writeDraft, writeRecurrence } from './state';

const NOW = Date.UTC(2026, 0, 31, 12);
const is = (name: string, value: string): Matcher => ({ name, value, isRegex: false, isEqual: true });
const draft = (values: Partial<Draft> = {}): Draft => ({
  id: '',
  matchers: [is('job', 'db')],
  starts: '',
  ends: '2h',
  repeats: null,
  comment: 'patch',
  remind: '',
  ...values,
});
const problems = (values: Partial<Draft>, by = 'ann') =>
  problemsOf(draft(values), by, { maxDurationMs: 86_400_000, requireComment: true }, NOW, 'utc').map((p) => p.field);

describe('matchers', () => {
  it('are read as they are written', () => {
    for (const text of [
      '{}',
      '{job="db"}',
      '{a!="b", c=~"d.*", e!~"f|g"}',
      '{"with space"="x, y", path="C:\\\\new", quote="\\"", line="a\\nb"}',
      '{a="=~", b="!="}',
    ]) {
      expect(matchersText(parseMatchers(text) ?? [])).toBe(text);
    }
  });

  it('are read without quotes and braces, as people type them', () => {
    expect(parseMatchers('job = db, host=~db-.* ,')).toEqual([
      is('job', 'db'),
      { name: 'host', value: 'db-.*', isRegex: true, isEqual: true },
    ]);
    expect(parseMatchers('  ')).toEqual([]);
  });

  it('are refused where a part is none', () => {
    for (const text of ['job', '{job="db" host="x"}', '{="x"}', '{a="b", c}', 'a==="b"', '{a="b']) {
      expect(parseMatchers(text), text).toBeNull();
    }
  });

  it('say what labels are, the name of the alert first', () => {
    expect(matchersText(exactly({ b: '1', alertname: 'A', a: '2' }))).toBe('{alertname="A", a="2", b="1"}');
    expect(anyOf('host', ['a.b'])).toEqual(is('host', 'a.b'));
    expect(anyOf('host', ['a.b', 'c'])).toEqual({ name: 'host', value: 'a\\.b|c', isRegex: true, isEqual: true });
  });
});

describe('a draft', () => {
  it('lasts for a duration or until a time', () => {
    expect(timesOf(draft(), NOW, 'utc')).toEqual({ start: NOW, end: NOW + 7_200_000 });
    expect(timesOf(draft({ starts: '2026-02-01 08:00', ends: '1d' }), NOW, 'utc')).toEqual({
      start: Date.UTC(2026, 1, 1, 8),
      end: Date.UTC(2026, 1, 2, 8),
    });
    expect(timesOf(draft({ ends: '2026-01-31 18:00' }), NOW, 'utc')?.end).toBe(Date.UTC(2026, 0, 31, 18));
    expect(timesOf(draft({ ends: '5' }), NOW, 'utc')).toBeNull();
    expect(timesOf(draft({ ends: 'soon' }), NOW, 'utc')).toBeNull();
  });

  it('is wrong in the fields that keep it from being taken', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ comment: ' ' })).toEqual(['comment']);
    expect(problems({}, '')).toEqual(['by']);
    expect(problems({ matchers: [] })).toEqual(['matchers']);
    expect(problems({ matchers: [{ ...is('job', ''), isEqual: true }] })).toEqual(['matchers']);
    expect(problems({ matchers: [{ ...is('job', 'x'), isEqual: false }] })).toEqual(['matchers']);
    expect(problems({ matchers: [{ name: 'job', value: '.*', isRegex: true, isEqual: true }] })).toEqual(['matchers']);
    expect(problems({ matchers: [is('', 'x'), is('job', 'db')] })).toEqual(['matchers']);
    expect(problems({ ends: '2d' })).toEqual(['ends']);
    expect(problems({ ends: '2026-01-30' })).toEqual(['ends']);
    expect(problems({ starts: 'x' })).toEqual(['starts']);
    const window = { weekdays: [], start: '22:00', end: '', timeZone: 'UTC' };
    expect(problems({ repeats: window })).toEqual(['window']);
    expect(problems({ repeats: { ...window, end: '23:00' } })).toEqual([]);
  });

  it('becomes what the server takes', () => {
    expect(postOf(draft({ matchers: [is(' job ', 'db'), is('', '')] }), ' ann ', NOW, 'utc')).toEqual({
      matchers: [is('job', 'db')],
      createdBy: 'ann',
      comment: 'patch',
      startsAt: '2026-01-31T12:00:00.000Z',
      endsAt: '2026-01-31T14:00:00.000Z',
    });
    const repeats = { weekdays: ['monday'], start: '22:00', end: '02:00', timeZone: 'UTC', until: '2026-03-01' };
    expect(postOf(draft({ id: 'x', repeats, remind: '15' }), 'ann', NOW, 'utc')).toEqual({
      id: 'x',
      matchers: [is('job', 'db')],
      createdBy: 'ann',
      comment: 'patch',
      recurrence: { ...repeats, until: '2026-03-01T23:59:59.999Z' },
      remindMinutes: 15,
    });
  });
});

describe('the address', () => {
  const silence = {
    id: 'x',
    status: { state: 'active' },
    matchers: [is('job', 'db')],
    startsAt: '2026-01-31T12:00:00.250Z',
    endsAt: '2026-01-31T14:00:00.000Z',
    updatedAt: '2026-01-31T12:00:00.000Z',
    createdBy: 'ann',
    comment: 'patch',
    recurrence: null,
    remindMinutes: 15,
    nextStartsAt: null,
    nextEndsAt: null,
    matching: 0,
  } satisfies Silence;

  it('holds what is written', () => {
    const search = (values: Record<string, string | undefined>) =>
      Object.fromEntries(Object.entries(values).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
    const repeats = { weekdays: ['monday', 'friday'], start: '22:00', end: '02:00', timeZone: 'Europe/Berlin' };
    for (const written of [draft(), draft({ repeats, remind: '5', starts: '2026-02-01', ends: '8h', comment: '' })]) {
      expect(readDraft(search(writeDraft(written)), undefined, 'utc')).toEqual(written);
    }
    const edited = readDraft({ edit: 'x' }, silence, 'utc');
    expect(edited).toMatchObject({ id: 'x', starts: '2026-01-31 12:00:00.250', remind: '15' });
    const changed = { ...(edited as Draft), comment: '', ends: '2h' };
    expect(readDraft(search(writeDraft(changed)), silence, 'utc')).toEqual(changed);
    expect(readDraft({}, undefined, 'utc')).toBeNull();
    expect(readDraft({ new: 'nonsense' }, undefined, 'utc')?.matchers).toEqual([]);
  });

  it('names states and windows', () => {
    expect(readStates({})).toEqual(['active', 'pending']);
    expect(readStates({ state: 'expired,nonsense' })).toEqual(['expired']);
    const text = 'tuesday;22:00;02:00;UTC;2026-12-31';
    expect(writeRecurrence(readRecurrence(text) as never)).toBe(text);
    expect(readRecurrence('')).toBeNull();
  });

  it('is exported', () => {
    const [, row] = silencesCsv([silence]).split(/\r?\n/);
    expect(row).toBe('x,active,"{job=""db""}",2026-01-31T12:00:00.250Z,2026-01-31T14:00:00.000Z,ann,patch,,0');
  });

  it('orders by what ends first', () => {
    const later = { ...silence, id: 'later', endsAt: '2026-01-31T15:00:00.000Z' };
    expect(ofState([later, silence], 'active').map((s) => s.id)).toEqual(['x', 'later']);
    expect(ofState([later, silence], 'expired')).toEqual([]);
  });
});

it('windows are read aloud', () => {
  const window = { start: '22:00', end: '02:00', timeZone: 'UTC' };
  const said = (weekdays: string[]) => describeRecurrence({ ...window, weekdays }).split(',  22')[0];
  expect(said([])).toBe('every day, 22:00 to 02:00 UTC');
  expect(said(['friday', 'monday', 'sunday'])).toContain('every Monday, Friday and Sunday,');
  expect(said(['monday', 'tuesday', 'wednesday', 'thursday', 'friday'])).toContain('every working day,');
});
