// What uPlot is told: axes in human units, series in the palette, gaps left open, drag to zoom.
import uPlot from 'uplot';
import { slotVariable } from '../series/colour';
import type { Series } from '../series/frame';
import { drawable, stackColumns } from '../series/stack';
import { summarise } from '../series/stats';
import { tokenColour, tokenNumber, tokenText } from '../shell/theme';
import { axisTimes } from '../time/format';
import type { Range, Zone } from '../time/range';
import { formatTicks, tickSteps, type Unit } from '../units/format';
import { loneSamples, valueRange } from './scale';
import { drawThresholds, type Threshold, withThresholds } from './threshold';

export type Style = 'lines' | 'stacked' | 'points' | 'bars';
export type Look = {
  series: readonly Series[];
  visible: readonly boolean[];
  slots: ReadonlyMap<string, number>;
  /** Tokens of series whose colour means something, by key; the others take their slot's. */
  tokens?: ReadonlyMap<string, string>;
  unit: Unit;
  zero: boolean;
  style: Style;
  zone: Zone;
  thresholds?: readonly Threshold[];
};
export type Events = {
  range: () => Range;
  zoom: (range: Range) => void;
  back: () => void;
  cursor: (chart: uPlot) => void;
};

/** Marking every series under the crosshair is help up to here and noise beyond. */
const MARKED = 20;

/** The token of a series' colour. */
export function colourToken(look: Look, key: string): string {
  return look.tokens?.get(key) ?? slotVariable(look.slots.get(key) ?? 0);
}

/** Whether each value stands on those below it. Bars begin at their time and reach to the next. */
export const isStack = (look: Look) => look.style === 'stacked' || look.style === 'bars';

function faded(colour: string, alpha: number): string {
  const parts = colour.match(/[\d.]+/g) ?? [];
  return `rgba(${parts.slice(0, 3).join(', ')}, ${alpha})`;
}

export function chartData(times: number[], look: Look): uPlot.AlignedData {
  const columns = look.series.map((s) => drawable(s.values));
  return [times, ...(isStack(look) ? stackColumns(columns, look.visible) : columns)] as uPlot.AlignedData;
}

function seriesOptions(look: Look): uPlot.Series[] {
  const shown = look.visible.filter(Boolean).length;
  const areaAlpha = tokenNumber('--series-fill');
  const stackAlpha = tokenNumber('--series-stack-fill');
  const grounded = startsAtGround(look);
  return look.series.map((s, i): uPlot.Series => {
    const stroke = tokenColour(colourToken(look, s.key));
    if (look.style === 'bars') return barOptions(s.name, look.visible[i] ?? true, stroke);
    const fill =
      look.style === 'stacked'
        ? faded(stroke, stackAlpha)
        : shown === 1 && grounded
          ? faded(stroke, areaAlpha)
          : undefined;
    const points: uPlot.Series.Points = { show: true, size: 4, fill: stroke, stroke };
    if (look.style !== 'points') points.filter = (chart, index) => loneSamples(chart.data[index] as never);
    return {
      label: s.name,
      show: look.visible[i] ?? true,
      stroke,
      width: shown > MARKED ? 1 : 1.5,
      spanGaps: false,
      points,
      ...(look.style === 'points' ? { paths: () => null } : fill ? { fill } : {}),
    };
  });
}

function barOptions(label: string, show: boolean, fill: string): uPlot.Series {
  const paths = uPlot.paths.bars?.({ size: [0.9, 64], align: 1 });
  return { label, show, fill, width: 0, points: { show: false }, ...(paths ? { paths } : {}) };
}

/** An area says how much; above a cut axis it would lie. */
function startsAtGround(look: Look): boolean {
  const all = look.series.filter((_, i) => look.visible[i]).map((s) => summarise(s.values));
  const low = Math.min(...all.map((s) => s.min ?? Number.POSITIVE_INFINITY));
  const high = Math.max(...all.map((s) => s.max ?? Number.NEGATIVE_INFINITY));
  return valueRange(low, high, look.zero)[0] === 0;
}

/** In a stack each area ends on the visible one below it. */
function stackBands(look: Look): uPlot.Band[] {
  if (!isStack(look)) return [];
  const shown = look.series.map((_, i) => i + 1).filter((i) => look.visible[i - 1]);
  return shown.slice(1).map((upper, n) => ({ series: [upper, shown[n] ?? 1] as [number, number] }));
}

function axisWidth(chart: uPlot, labels: string[] | null, font: string): number {
  chart.ctx.font = font;
  const widest = Math.max(0, ...(labels ?? []).map((label) => chart.ctx.measureText(label).width));
  return Math.ceil(Math.max(widest, 36) + 14);
}

export function chartOptions(look: Look, events: Events, width: number, height: number): uPlot.Options {
  const font = `${tokenText('--t1')} ${tokenText('--font')}`;
  const grid = { stroke: tokenColour('--chart-grid'), width: 1 };
  const axis = { stroke: tokenColour('--chart-axis'), font, grid, ticks: { show: false } };
  return {
    width,
    height,
    padding: [10, 24, 0, 0],
    legend: { show: false },
    focus: { alpha: 0.2 },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 4 },
      sync: { key: 'page', setSeries: false },
      points: { show: look.visible.filter(Boolean).length <= MARKED, size: 7 },
      bind: {
        dblclick: () => () => {
          events.back();
          return null;
        },
      },
    },
    ...(look.zone === 'utc' ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') } : {}),
    scales: {
      x: { time: true, range: () => [events.range().start / 1000, events.range().end / 1000] },
      y: {
        range: (_, min, max) =>
          valueRange(...withThresholds(min, max, look.thresholds ?? []), look.zero || isStack(look)),
      },
    },
    axes: [
      {
        ...axis,
        space: 80,
        size: (_, labels) => (labels?.some((label) => label.includes('\n')) ? 42 : 26),
        values: (_, splits, _axis, _space, step) => axisTimes(splits, step, look.zone),
      },
      {
        ...axis,
        space: 36,
        gap: 6,
        values: (_, splits) => formatTicks(splits, look.unit),
        size: (chart, labels) => axisWidth(chart, labels, font),
        incrs: (_chart, _axis, low, high) => tickSteps(look.unit, Math.max(Math.abs(low), Math.abs(high))),
      },
    ],
    series: [{}, ...seriesOptions(look)],
    bands: stackBands(look),
    hooks: {
      draw: [(chart) => drawThresholds(chart, look.thresholds ?? [])],
      setCursor: [events.cursor],
      setSelect: [
        (chart) => {
          const { left, width: selected } = chart.select;
          if (selected < 4) return;
          const start = chart.posToVal(left, 'x') * 1000;
          const end = chart.posToVal(left + selected, 'x') * 1000;
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          events.zoom({ start: Math.round(start), end: Math.max(Math.round(end), Math.round(start) + 1000) });
        },
      ],
    },
  };
}
