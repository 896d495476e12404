import { describe, expect, it } from 'vitest';
import { logqlPosition } from '../api/loki';
import { completionPlace } from './complete';
import {
  addAnyOf,
  addFilter,
  addLineFilter,
  levelQuery,
  negatePart,
  parseQuery,
  removePart,
  selectorOf,
  topQuery,
  totalQuery,
  wordsToMark,
} from './query';

const FULL = '{app="a b", env!~`x}|`} |= "| json" != `b` | json | status >= 500 or x="1" | level="error" # end';
const parts = (expr: string) => {
  const query = parseQuery(expr);
  return query ? [...query.matchers, ...query.stages].map((p) => [p.kind, p.text]) : null;
};
const part = (expr: string, text: string) => {
  const query = parseQuery(expr);
  const found = query && [...query.matchers, ...query.stages].find((p) => p.text === text);
  if (!found) throw new Error(`no part ${text}`);
  return found;
};

describe('a query', () => {
  it('is taken apart with strings and comments left alone', () => {
    expect(parts(FULL)).toEqual([
      ['matcher', 'app="a b"'],
      ['matcher', 'env!~`x}|`'],
      ['line', '|= "| json"'],
      ['line', '!= `b`'],
      ['parser', 'json'],
      ['other', 'status >= 500 or x="1"'],
      ['label', 'level="error"'],
    ]);
    expect(selectorOf(FULL)).toBe('{app="a b", env!~`x}|`}');
    expect(parseQuery('{app="a"')).toBeNull();
    expect(parseQuery('')).toBeNull();
  });

  it('tells lines from numbers', () => {
    expect(parseQuery('{a="b"} |= "[5m]"')?.metric).toBe(false);
    expect(parseQuery('# sum of\n{a="b"}')?.metric).toBe(false);
    expect(parseQuery('sum by (x) (rate({a="b"} | json [5m]))')?.metric).toBe(true);
  });

  it('names the words to mark', () => {
    expect(wordsToMark('{a="b"} |= "x y" != "no" |~ "r.*" |= `z`')).toEqual(['x y', 'z']);
  });
});

describe('filters', () => {
  const label = (value: string) => ({ name: 'app', value, source: 'label' as const });
  const field = (value: string) => ({ name: 'status', value, source: 'json' as const });

  it('on labels go into the selector', () => {
    expect(addFilter('{env="p"} |= "x"', label('a"b'), '=')).toBe('{env="p", app="a\\"b"} |= "x"');
    expect(addFilter('{app=~".+"}', label('a'), '=')).toBe('{app="a"}');
    expect(addFilter('{app=~".+"}', label('a'), '!=')).toBe('{app=~".+", app!="a"}');
    expect(addFilter('{env="p", app="a"}', label('a'), '!=')).toBe('{env="p", app!="a"}');
    expect(addFilter('{app="a"}', label('a'), '=')).toBe('{app="a"}');
  });

  it('on fields follow their parser, which is added once', () => {
    const once = addFilter('{a="b"} |= "x"', field('500'), '=');
    expect(once).toBe('{a="b"} |= "x" | json | status="500"');
    expect(addFilter(once, field('404'), '!=')).toBe(`${once} | status!="404"`);
    expect(addFilter(once, field('500'), '!=')).toBe('{a="b"} |= "x" | json | status!="500"');
    expect(addFilter(once, field('500'), '=')).toBe(once);
    expect(addFilter('{a="b"}', { name: 'pod', value: 'p', source: 'metadata' }, '=')).toBe('{a="b"} | pod="p"');
  });

  it('change the query within a count, too', () => {
    const expr = 'sum by (x) (rate({a="b"} | json [5m]))';
    expect(addFilter(expr, field('500'), '=')).toBe('sum by (x) (rate({a="b"} | json | status="500" [5m]))');
  });

  it('on a level name every spelling of it', () => {
    expect(addAnyOf('{a="b"}', 'detected_level', ['error'])).toBe('{a="b"} | detected_level="error"');
    expect(addAnyOf('{a="b"}', 'detected_level', ['fatal', 'crit.'])).toBe(
      '{a="b"} | detected_level=~"fatal|crit\\\\."',
    );
    expect(addAnyOf('{a="b"}', 'detected_level', [''])).toBe('{a="b"} | detected_level=""');
  });

  it('on lines are quoted so that they mean what they say', () => {
    expect(addLineFilter('{a="b"}', '|>', 'GET <_> "x"')).toBe('{a="b"} |> `GET <_> "x"`');
    expect(addLineFilter('{a="b"}', '!=', 'a`b')).toBe('{a="b"} != "a`b"');
  });

  it('are taken out, the last positive matcher excepted', () => {
    const expr = '{app="a", env="p"} |= "x" | json | status>=500';
    expect(removePart(expr, part(expr, 'app="a"'))).toBe('{env="p"} |= "x" | json | status>=500');
    expect(removePart(expr, part(expr, '|= "x"'))).toBe('{app="a", env="p"} | json | status>=500');
    expect(removePart('{app="a", env!="p"}', part('{app="a", env!="p"}', 'app="a"'))).toBe('{app=~".+", env!="p"}');
  });

  it('are turned round', () => {
    const expr = '{app="a!="} !~ "x" | json | status>=500 | a = "b" or c="d"';
    expect(negatePart(expr, part(expr, 'app="a!="'))).toBe(
      '{app!="a!="} !~ "x" | json | status>=500 | a = "b" or c="d"',
    );
    expect(negatePart(expr, part(expr, '!~ "x"'))).toContain('} |~ "x" |');
    expect(negatePart(expr, part(expr, 'status>=500'))).toContain('| status<500 |');
    expect(negatePart(expr, part(expr, 'json'))).toBeNull();
    expect(negatePart(expr, part(expr, 'a = "b" or c="d"'))).toBeNull();
  });

  it('survive any text a line may hold', () => {
    let seed = 7;
    const next = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    const signs = ['"', '`', '\\', '{', '}', '|', '=', '[', ']', '#', '\n', 'x', ' ', 'é'];
    for (let i = 0; i < 500; i++) {
      const value = Array.from({ length: next() % 12 }, () => signs[next() % signs.length]).join('');
      const expr = addFilter('{a="b"} |= "x"', { name: 'f', value, source: 'json' }, '=');
      const found = parseQuery(expr)?.stages.find((s) => s.name === 'f');
      expect(found?.value).toBe(value);
      if (found) expect(removePart(expr, found)).toBe('{a="b"} |= "x" | json');
    }
  });
});

describe('questions made from a query', () => {
  it('count lines and do not trip over lines that a parser refuses', () => {
    expect(levelQuery('{a="b"} |= "x"', 60)).toBe('sum by (detected_level) (count_over_time({a="b"} |= "x" [60s]))');
    expect(totalQuery('{a="b"} | json', 5)).toBe(
      'sum(count_over_time({a="b"} | json | drop __error__, __error_details__ [5ms]))',
    );
    expect(topQuery('{a="b"}', { name: 'f', source: 'json' }, 5, 10)).toBe(
      'topk(5, sum by (f) (count_over_time({a="b"} | json | f!="" | drop __error__, __error_details__ [10ms])))',
    );
    expect(topQuery('{a="b"}', { name: 'a', source: 'label' }, 5, 10)).toBe(
      'topk(5, sum by (a) (count_over_time({a="b"} [10ms])))',
    );
  });

  it('end a comment before they go on', () => {
    expect(levelQuery('{a="b"} # note', 60)).toContain('# note\n[60s]');
  });
});

describe('errors and completion', () => {
  it('finds the position in what Loki writes', () => {
    const message = 'parse error at line 1, col 5: syntax error: unexpected $end';
    expect(logqlPosition(message)).toEqual({ line: 1, column: 5, message: 'syntax error: unexpected $end' });
    expect(logqlPosition('parse error : queries require at least one matcher')).toBeNull();
  });

  it('knows what can stand at the cursor', () => {
    expect(completionPlace('{')).toEqual({ kind: 'label', from: 1 });
    expect(completionPlace('{a="b", en')).toEqual({ kind: 'label', from: 8 });
    expect(completionPlace('{app=~"ch')).toEqual({ kind: 'value', name: 'app', from: 7 });
    expect(completionPlace('{app="x"} | js')).toEqual({ kind: 'stage', from: 10 });
    expect(completionPlace('{app="x"} |= "js')).toBeNull();
    expect(completionPlace('cou')).toEqual({ kind: 'function', from: 0 });
  });
});
