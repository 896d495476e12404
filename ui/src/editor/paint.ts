// Cuts a query into pieces that have one colour each, by the grammars that the editors use.
import { parser as logql } from '@grafana/lezer-logql';
import { highlightCode, styleTags, tagHighlighter, tags } from '@lezer/highlight';
import { parser as promql } from '@prometheus-io/lezer-promql';
import type { Source } from '../api/rules';
import { CODE_COLOURS } from './colours';

export type Piece = { at: number; text: string; colour: string };

const highlighter = tagHighlighter(CODE_COLOURS);
const parsers = {
  metrics: promql,
  logs: logql.configure({
    props: [
      styleTags({
        LineComment: tags.comment,
        'String Ip': tags.string,
        'Number Duration Bytes': tags.number,
        'Identifier LabelName': tags.labelName,
        'Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat Decolorize Drop Keep': tags.keyword,
        'By Without And Or Unless On Ignoring GroupLeft GroupRight Bool Offset': tags.modifier,
        'RangeOp/... VectorOp/... LabelReplace Vector': tags.function(tags.variableName),
      }),
    ],
  }),
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
