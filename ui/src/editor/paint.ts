// Cuts a query into pieces that have one colour each, by the grammars that the editors use.
import { parser as logql } from '@grafana/lezer-logql';
import { highlightCode, tagHighlighter } from '@lezer/highlight';
import { parser as promql } from '@prometheus-io/lezer-promql';
import type { Source } from '../api/rules';
import { CODE_COLOURS } from './colours';
import { LOGQL_TAGS } from './logql';

export type Piece = { at: number; text: string; colour: string };

const highlighter = tagHighlighter(CODE_COLOURS);
const parsers = {
  metrics: promql,
  logs: logql.configure({ props: [LOGQL_TAGS] }),
};

export function paint(query: string, source: Source): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  const put = (text: string, colour: string) => {
    pieces.push({ at, text, colour });
    at += text.length;
  };
  highlightCode(query, parsers[source].parse(query), highlighter, put, () => put('\n', ''));
  return pieces;
}
