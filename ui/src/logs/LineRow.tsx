// One line: time, level, columns; unfolded below, everything it holds.
import { memo, type ReactNode } from 'react';
import { formatTime } from '../time/format';
import type { Zone } from '../time/range';
import { fold } from './fold';
import { LevelMark } from './LevelMark';
import { LineDetail } from './LineDetail';
import type { ListProps } from './LineList';
import { bodyOf, columnValue, isoNs, type LogLine } from './lines';
import { LINE } from './state';

type Props = {
  line: LogLine;
  index: number;
  zone: Zone;
  columns: readonly string[];
  raw: boolean;
  open: boolean;
  toggle: (key: string) => void;
  marks: readonly string[];
  list: ListProps;
};

/** Colour codes of terminals say nothing here. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with one.
const COLOUR_CODES = /\u001b\[[0-9;]*m/g;
/** What a row shows of a line; the whole of it unfolds. */
const ROW_TEXT = 4000;

/** The words of line filters, marked where they stand. */
export function Marked(props: { text: string; marks: readonly string[] }): ReactNode {
  const { text, marks } = props;
  const places = marks.filter((m) => text.includes(m));
  if (places.length === 0) return text;
  const escaped = places.map((m) => m.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const parts = text.split(new RegExp(`(${escaped.join('|')})`, 'g'));
  return parts.map((part, i) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text have no other identity.
    i % 2 === 1 ? <mark key={i}>{part}</mark> : part,
  );
}

/** Folded, unless what was searched for would be lost. */
export function LineText(props: { line: LogLine; raw: boolean; marks: readonly string[] }) {
  const { line, raw, marks } = props;
  const found = raw ? null : fold(bodyOf(line));
  // What was searched for is shown, also where folding would leave it out.
  const hidden =
    found &&
    marks.length > 0 &&
    !marks.some((m) => [found.message, ...found.fields.map(([, v]) => v)].some((t) => t.includes(m)));
  const folded = hidden ? null : found;
  if (!folded) return <Marked text={line.line.slice(0, ROW_TEXT).replace(COLOUR_CODES, '')} marks={marks} />;
  return (
    <>
      {folded.message && <Marked text={folded.message} marks={marks} />}
      {folded.fields.map(([name, value]) => (
        <span key={name} className="line-field">
          {' '}
          <span className="line-name">{name}=</span>
          <Marked text={value.slice(0, ROW_TEXT)} marks={marks} />
        </span>
      ))}
    </>
  );
}

export const LineRow = memo(function LineRow(props: Props) {
  const { line, open, index } = props;
  return (
    <>
      <div role="row" className="line-cells line" aria-rowindex={index + 2} data-open={open}>
        <div role="cell" className="line-time">
          <button
            type="button"
            data-row={index}
            aria-expanded={open}
            title={isoNs(line.ns)}
            onClick={() => props.toggle(line.key)}
          >
            <i className="line-arrow" aria-hidden="true" />
            {formatTime(line.ms, props.zone).slice(5)}
            <span className="quiet">.{line.ns.slice(-9, -6)}</span>
          </button>
        </div>
        <div role="cell">
          <LevelMark level={line.level} />
        </div>
        {props.columns.map((name) =>
          name === LINE ? (
            <div role="cell" key={name} className="line-text mono">
              <LineText line={line} raw={props.raw} marks={props.marks} />
            </div>
          ) : (
            <div role="cell" key={name} className="line-value mono" title={columnValue(line, name)}>
              {columnValue(line, name) ?? <span className="quiet">–</span>}
            </div>
          ),
        )}
      </div>
      {open && (
        <div role="row" className="line-unfolded">
          <div role="cell">
            <LineDetail line={line} list={props.list} />
          </div>
        </div>
      )}
    </>
  );
}, same);

/** The list changes with every page of lines; a row does not. */
function same(a: Props, b: Props): boolean {
  return (
    a.line === b.line &&
    a.index === b.index &&
    a.zone === b.zone &&
    a.columns === b.columns &&
    a.raw === b.raw &&
    a.open === b.open &&
    a.toggle === b.toggle &&
    a.marks === b.marks &&
    (!a.open || a.list === b.list)
  );
}
