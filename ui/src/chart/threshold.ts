// Lines across a chart at values that mean something, such as the bound of an alert.
import type uPlot from 'uplot';
import { tokenColour, tokenText } from '../shell/theme';

/** `token` names the colour. */
export type Threshold = { value: number; label: string; token: string };

const DASH = [6, 4];
const GAP = 4;

/** The lowest and highest value to show: how far there is to go is what a threshold tells, so it is always in sight. */
export function withThresholds(
  low: number | null,
  high: number | null,
  thresholds: readonly Threshold[],
): [number | null, number | null] {
  const values = thresholds.map((t) => t.value).filter(Number.isFinite);
  const all = [...values, ...(low === null ? [] : [low]), ...(high === null ? [] : [high])];
  return all.length === 0 ? [low, high] : [Math.min(...all), Math.max(...all)];
}

/** For uPlot's hook `draw`: a dashed line over the whole width, its label above it at the right end. */
export function drawThresholds(chart: uPlot, thresholds: readonly Threshold[]): void {
  const { ctx, bbox } = chart;
  const ratio = window.devicePixelRatio || 1;
  for (const { value, label, token } of thresholds) {
    const y = Math.round(chart.valToPos(value, 'y', true));
    if (!Number.isFinite(y) || y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.save();
    ctx.strokeStyle = tokenColour(token);
    ctx.fillStyle = ctx.strokeStyle;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash(DASH.map((length) => length * ratio));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = `${Number.parseFloat(tokenText('--t1')) * ratio}px ${tokenText('--font')}`;
    ctx.textAlign = 'right';
    const above = y - bbox.top > 24 * ratio;
    ctx.textBaseline = above ? 'bottom' : 'top';
    ctx.fillText(label, bbox.left + bbox.width - GAP * ratio, y + (above ? -GAP : GAP) * ratio);
    ctx.restore();
  }
}
