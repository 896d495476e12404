// What the colours of a query stand for, in the editor and wherever a query is only read.
import { tags } from '@lezer/highlight';

export const CODE_COLOURS = [
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword, tags.logicOperator], class: 'code-function' },
  { tag: [tags.function(tags.variableName), tags.function(tags.name)], class: 'code-function' },
  { tag: [tags.labelName, tags.propertyName], class: 'code-label' },
  { tag: tags.string, class: 'code-string' },
  { tag: [tags.number, tags.literal], class: 'code-number' },
  { tag: tags.comment, class: 'code-comment' },
];
