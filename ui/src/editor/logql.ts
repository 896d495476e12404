// What the names in Loki's grammar are, for the colours of the editor and of queries that are only read.
import { styleTags, tags } from '@lezer/highlight';

export const LOGQL_TAGS = styleTags({
  LineComment: tags.comment,
  'String Ip': tags.string,
  'Number Duration Bytes': tags.number,
  'Identifier LabelName': tags.labelName,
  'Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat Decolorize Drop Keep': tags.keyword,
  'By Without And Or Unless On Ignoring GroupLeft GroupRight Bool Offset': tags.modifier,
  'RangeOp/... VectorOp/... LabelReplace Vector': tags.function(tags.variableName),
});
