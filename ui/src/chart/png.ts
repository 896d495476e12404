// A chart as a picture that explains itself: queries, time range, legend.
import type uPlot from 'uplot';
import { tokenColour, tokenText } from '../shell/theme';
import { colourToken, type Look } from './options';

const LEGEND_ROWS = 20;

function clipped(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}

export function chartPng(chart: uPlot, look: Look, title: string[], note: string): Promise<Blob | null> {
  const source = chart.ctx.canvas;
  const ratio = source.width / chart.width;
  const line = 20;
  const shown = look.series.filter((_, i) => look.visible[i]);
  const names = shown.slice(0, LEGEND_ROWS);
  const head = 12 + line * (title.length + 1);
  const height = head + chart.height + line * (names.length + (shown.length > names.length ? 1 : 0)) + 12;
  const canvas = document.createElement('canvas');
  canvas.width = source.width;
  canvas.height = Math.ceil(height * ratio);
  const context = canvas.getContext('2d');
  if (!context) return Promise.resolve(null);
  context.scale(ratio, ratio);
  context.fillStyle = tokenColour('--ground');
  context.fillRect(0, 0, chart.width, height);
  context.textBaseline = 'middle';
  context.font = `${tokenText('--t1')} ${tokenText('--mono')}`;
  context.fillStyle = tokenColour('--text');
  title.forEach((text, i) => {
    context.fillText(clipped(context, text, chart.width - 24), 12, 12 + line * (i + 0.5));
  });
  context.font = `${tokenText('--t1')} ${tokenText('--font')}`;
  context.fillStyle = tokenColour('--text-quiet');
  context.fillText(note, 12, 12 + line * (title.length + 0.5));
  context.drawImage(source, 0, head, chart.width, chart.height);
  names.forEach((series, i) => {
    const y = head + chart.height + line * (i + 0.5);
    context.fillStyle = tokenColour(colourToken(look, series.key));
    context.fillRect(12, y - 5, 10, 10);
    context.fillStyle = tokenColour('--text');
    context.fillText(clipped(context, series.name, chart.width - 44), 30, y);
  });
  if (shown.length > names.length) {
    context.fillStyle = tokenColour('--text-quiet');
    context.fillText(`and ${shown.length - names.length} more`, 30, head + chart.height + line * (names.length + 0.5));
  }
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
