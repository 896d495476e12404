// What can be written at the cursor of a LogQL query.

export type Place =
  | { kind: 'label' | 'stage' | 'function'; from: number }
  | { kind: 'value'; name: string; from: number };

export const STAGES: readonly [word: string, says: string][] = [
  ['|= ', 'line contains'],
  ['!= ', 'line does not contain'],
  ['|~ ', 'line matches a regex'],
  ['!~ ', 'line does not match'],
  ['|> ', 'line fits a pattern'],
  ['| json', 'fields of JSON'],
  ['| logfmt', 'fields of logfmt'],
  ['| pattern ', 'fields by a pattern'],
  ['| regexp ', 'fields by named groups'],
  ['| unpack', 'what Promtail packed'],
  ['| line_format ', 'write the line anew'],
  ['| label_format ', 'write a field anew'],
  ['| unwrap ', 'a field as the number'],
  ['| drop ', 'without these fields'],
  ['| keep ', 'these fields alone'],
  ['| decolorize', 'without colour codes'],
];

export const FUNCTIONS: readonly [word: string, says: string][] = [
  ['count_over_time', 'lines'],
  ['rate', 'lines per second'],
  ['bytes_over_time', 'bytes'],
  ['bytes_rate', 'bytes per second'],
  ['sum by ', 'sum by labels'],
  ['topk', 'the largest'],
  ['avg_over_time', 'of unwrap'],
  ['sum_over_time', 'of unwrap'],
  ['max_over_time', 'of unwrap'],
  ['min_over_time', 'of unwrap'],
  ['quantile_over_time', 'of unwrap'],
  ['absent_over_time', '1 where no line is'],
];

/** `before` is the query up to the cursor. */
export function completionPlace(before: string): Place | null {
  const open = before.lastIndexOf('{');
  const close = before.lastIndexOf('}');
  const at = before.length;
  if (open > close) {
    const value = /([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*(["`])([^"`]*)$/.exec(before);
    if (value) return { kind: 'value', name: value[1] ?? '', from: at - (value[3] ?? '').length };
    const label = /[{,]\s*(\w*)$/.exec(before);
    return label ? { kind: 'label', from: at - (label[1] ?? '').length } : null;
  }
  if (close >= 0) {
    const tail = before.slice(close + 1);
    if ((tail.match(/["`]/g)?.length ?? 0) % 2 === 1 || tail.includes('[')) return null;
    const stage = /(?:\||!)\s*\w*$|\s$/.exec(tail);
    return stage ? { kind: 'stage', from: at - stage[0].trimStart().length } : null;
  }
  return { kind: 'function', from: at - (/\w*$/.exec(before)?.[0].length ?? 0) };
}
