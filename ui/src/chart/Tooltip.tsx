// Values under the crosshair, highest first, beside the point and never on it.
import { useLayoutEffect, useRef } from 'react';
import type uPlot from 'uplot';
import { formatTime } from '../time/format';
import { formatValue } from '../units/format';
import { colourToken, isStack, type Look } from './options';
import { type Reading, tooltipRows } from './scale';

export type Pointer = { index: number; left: number; top: number; chart: uPlot };
const ROWS = 12;

function readings(pointer: Pointer, look: Look): { list: Reading[]; nearest: string | null } {
  const list: Reading[] = [];
  let nearest: string | null = null;
  let distance = Number.POSITIVE_INFINITY;
  look.series.forEach((s, i) => {
    const value = s.values[pointer.index];
    if (!look.visible[i] || value === null || value === undefined) return;
    list.push({ key: s.key, name: s.name, colour: `var(${colourToken(look, s.key)})`, value });
    const drawn = pointer.chart.data[i + 1]?.[pointer.index];
    if (drawn === null || drawn === undefined) return;
    const away = Math.abs(pointer.chart.valToPos(drawn, 'y') - pointer.top);
    if (away < distance) {
      distance = away;
      nearest = s.key;
    }
  });
  return { list, nearest };
}

export function Tooltip(props: { pointer: Pointer; look: Look }) {
  const { pointer, look } = props;
  const box = useRef<HTMLDivElement>(null);
  const { list, nearest } = readings(pointer, look);
  const { rows, above, below } = tooltipRows(list, nearest, ROWS);
  const time = pointer.chart.data[0][pointer.index] ?? 0;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const { over } = pointer.chart;
    const gap = 16;
    const onLeft = pointer.left > over.clientWidth / 2;
    const side = (onLeft ? pointer.left + over.offsetLeft : over.clientWidth - pointer.left) - gap;
    element.style.maxWidth = `min(var(--tooltip), ${Math.floor(side)}px)`;
    const x = over.offsetLeft + pointer.left + (onLeft ? -gap - element.offsetWidth : gap);
    const room = over.offsetTop + over.clientHeight - element.offsetHeight;
    const y = Math.max(0, Math.min(over.offsetTop + pointer.top - element.offsetHeight / 2, room));
    element.style.transform = `translate(${Math.round(Math.max(0, x))}px, ${Math.round(y)}px)`;
  });

  return (
    <div className="tooltip" ref={box} role="status">
      <div className="tooltip-time">{formatTime(time * 1000, look.zone, true)}</div>
      {above > 0 && <div className="quiet">{above} higher</div>}
      {rows.map((row) => (
        <div key={row.key} className={row.key === nearest ? 'tooltip-row tooltip-near' : 'tooltip-row'}>
          <i className="swatch" style={{ background: row.colour }} />
          <span className="tooltip-name">{row.name}</span>
          <span className="number">{formatValue(row.value, look.unit)}</span>
        </div>
      ))}
      {below > 0 && <div className="quiet">{below} lower</div>}
      {isStack(look) && list.length > 1 && (
        <div className="tooltip-row tooltip-total">
          <span className="tooltip-name">Total</span>
          <span className="number">
            {formatValue(
              list.reduce((sum, row) => sum + (Number.isFinite(row.value) ? row.value : 0), 0),
              look.unit,
            )}
          </span>
        </div>
      )}
      {list.length === 0 && <div className="quiet">No sample here</div>}
    </div>
  );
}
