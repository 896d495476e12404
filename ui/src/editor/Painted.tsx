// The colours of `Code`, loaded when the first query is read.
import { useMemo } from 'react';
import type { Source } from '../api/rules';
import { paint } from './paint';

export default function Painted(props: { text: string; source: Source }) {
  const pieces = useMemo(() => paint(props.text, props.source), [props.text, props.source]);
  return pieces.map((piece) =>
    piece.colour ? (
      <span key={piece.at} className={piece.colour}>
        {piece.text}
      </span>
    ) : (
      piece.text
    ),
  );
}
