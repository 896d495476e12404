import { describe, expect, it } from 'vitest';
import { kqlPlace, kqlProblem, searchOf, toKql, toLogql } from './kql';
import { addFilter, wordsToMark } from './query';
import { readLogs, writeLogs } from './state';
import { searchWords } from './words';

describe('searches and LogQL', () => {
  it('go there and back', () => {
    const search = 'level:ERROR and "connection \\"reset\\""';
    expect(toLogql(search)).toBe('{} | kql "level:ERROR and \\"connection \\\\\\"reset\\\\\\"\\""');
    expect(toKql(toLogql(search))).toBe(search);
    expect(searchOf(toLogql(search))).toBe(search);
    expect(toKql(toLogql(''))).toBe('');
  });

  it('translate what a click adds', () => {
    const query = toLogql('a:1 or b:2');
    const added = addFilter(query, { name: 'status', value: '200', source: 'json' }, '!=');
    expect(toKql(added)).toBe('(a:1 or b:2) and not status:"200"');
    const label = addFilter(toLogql('timeout'), { name: 'region', value: 'eu', source: 'label' }, '=');
    expect(toKql(label)).toBe('region:"eu" and timeout');
    expect(toKql('{app=~".+"} | detected_level=~"error|fatal"')).toBe('detected_level:("error" or "fatal")');
    expect(toKql('{app="x"} |= "a" | json | status >= 500')).toBe('app:"x" and "a" and status >= 500');
  });

  it('say where there is no search that means the same', () => {
    expect(toKql('{app="x"} | line_format "{{.a}}"')).toBeNull();
    expect(toKql('{app=~"a.*"}')).toBeNull();
    expect(toKql('sum(rate({app="x"}[5m]))')).toBeNull();
    expect(searchOf('{app="x"} | kql "a"')).toBeNull();
  });
});

describe('what is marked, completed and said', () => {
  it('marks the words that lines are searched for', () => {
    expect(searchWords('level:ERROR and "connection reset" or timeout not debug and st* and n >= 5')).toEqual([
      'connection reset',
      'timeout',
    ]);
    expect(wordsToMark(toLogql('"a b" and c:d'))).toEqual(['a b']);
  });

  it('completes names and values', () => {
    expect(kqlPlace('lev')).toEqual({ kind: 'field', name: 'lev', from: 0 });
    expect(kqlPlace('a:1 and (sta')).toEqual({ kind: 'field', name: 'sta', from: 9 });
    expect(kqlPlace('service_name:sh')).toEqual({ kind: 'value', name: 'service_name', from: 13 });
    expect(kqlPlace('level:(')).toEqual({ kind: 'value', name: 'level', from: 7 });
    expect(kqlPlace('"connection re')).toBeNull();
  });

  it('finds the place of an error', () => {
    const message = 'parse error at line 1, col 10: KQL, character 3: a value is missing here';
    expect(kqlProblem(message)).toEqual({ column: 3, message: 'a value is missing here' });
    expect(kqlProblem('parse error at line 1, col 10: syntax error')).toBeNull();
  });

  it('keeps the language in the address', () => {
    const state = readLogs({ q: 'level:ERROR', lang: 'kql' });
    expect(state.lang).toBe('kql');
    expect(writeLogs(state, {})).toEqual({ q: 'level:ERROR', lang: 'kql' });
    expect(writeLogs(readLogs({ q: 'x' }), {})).toEqual({ q: 'x' });
  });
});
