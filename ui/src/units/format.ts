// Numbers for people: three significant digits, one unit, and the words NaN and +Inf as Prometheus writes them.
import { formatDuration } from '../time/format';

export const UNITS = {
  short: 'Short (1.2 k)',
  none: 'Plain number',
  bytes: 'Bytes (KiB)',
  bytesPerSecond: 'Bytes per second',
  bitsPerSecond: 'Bits per second',
  seconds: 'Duration',
  perSecond: 'Per second',
  ratio: 'Percent (0–1)',
  percent: 'Percent (0–100)',
  celsius: 'Celsius',
  hertz: 'Hertz',
} as const;
export type Unit = keyof typeof UNITS;

type Scale = { factor: number; suffix: string };

const SI: Scale[] = [
  { factor: 1e12, suffix: ' T' },
  { factor: 1e9, suffix: ' G' },
  { factor: 1e6, suffix: ' M' },
  { factor: 1e3, suffix: ' k' },
  { factor: 1, suffix: '' },
];
const IEC: Scale[] = ['PiB', 'TiB', 'GiB', 'MiB', 'KiB', 'B'].map((name, i) => ({
  factor: 1024 ** (5 - i),
  suffix: ` ${name}`,
}));
const TIME: Scale[] = [
  { factor: 86_400, suffix: ' d' },
  { factor: 3600, suffix: ' h' },
  { factor: 60, suffix: ' min' },
  { factor: 1, suffix: ' s' },
  { factor: 1e-3, suffix: ' ms' },
  { factor: 1e-6, suffix: ' µs' },
  { factor: 1e-9, suffix: ' ns' },
];

function withSuffix(scales: Scale[], tail: string): Scale[] {
  return scales.map((s) => ({ ...s, suffix: `${s.suffix}${tail}` }));
}

const siUnit = (name: string) => SI.map((s) => ({ ...s, suffix: s.suffix === '' ? ` ${name}` : `${s.suffix}${name}` }));

const SCALES: Record<Unit, Scale[]> = {
  short: SI,
  none: [{ factor: 1, suffix: '' }],
  bytes: IEC,
  bytesPerSecond: withSuffix(IEC, '/s'),
  bitsPerSecond: siUnit('bit/s'),
  seconds: TIME,
  perSecond: withSuffix(SI, '/s'),
  ratio: [{ factor: 0.01, suffix: '%' }],
  percent: [{ factor: 1, suffix: '%' }],
  celsius: [{ factor: 1, suffix: ' °C' }],
  hertz: siUnit('Hz'),
};

function scaleFor(size: number, unit: Unit): Scale {
  const scales = SCALES[unit];
  const base = scales.find((s) => s.factor === 1) ?? { factor: 1, suffix: '' };
  if (size === 0) return scales.length === 1 && scales[0] ? scales[0] : base;
  // 999.6 would print as 1000 of the smaller unit, so a scale begins a little below its factor.
  const last = scales[scales.length - 1] ?? base;
  return scales.find((s) => size >= s.factor * 0.9995) ?? last;
}

export function formatSpecial(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : null;
}

/** Rounds to `digits` significant digits without exponent for sizes that people read; exponent below 1e-6. */
function digits(value: number, count: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-6 || size >= 1e15) return value.toExponential(Math.max(0, count - 1)).replace(/\.?0+e/, 'e');
  const rounded = Number(value.toPrecision(count));
  const decimals = Math.max(0, count - 1 - Math.floor(Math.log10(size)));
  return rounded
    .toFixed(Math.min(decimals, 12))
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
}

/** One value, three significant digits. */
export function formatValue(value: number, unit: Unit): string {
  const special = formatSpecial(value);
  if (special !== null) return special;
  if (unit === 'seconds' && Math.abs(value) >= 60) return formatDuration(value);
  if (unit === 'none') return formatExact(value);
  const scale = scaleFor(Math.abs(value), unit);
  return digits(value / scale.factor, 3) + scale.suffix;
}

/** The whole number as the server sent it, with thin groups of thousands for integers above 9999. */
export function formatExact(value: number): string {
  const special = formatSpecial(value);
  if (special !== null) return special;
  if (Number.isInteger(value) && Math.abs(value) >= 10_000 && Math.abs(value) < 1e15)
    return value.toLocaleString('en-US');
  return String(value);
}

/** Tick labels share one scale and as many decimals as keep neighbours apart. */
export function formatTicks(ticks: readonly number[], unit: Unit): string[] {
  const size = Math.max(0, ...ticks.map(Math.abs));
  const step = ticks.length > 1 ? Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0)) : size;
  const scale = scaleFor(size, unit);
  const inScale = step / scale.factor;
  if (size > 0 && inScale > 0 && (inScale < 1e-6 || size / scale.factor >= 1e6)) {
    return ticks.map((t) => (t === 0 ? '0' : digits(t / scale.factor, 3) + scale.suffix));
  }
  let decimals = 0;
  while (
    decimals < 8 &&
    inScale > 0 &&
    Math.abs(inScale * 10 ** decimals - Math.round(inScale * 10 ** decimals)) > 1e-4
  ) {
    decimals++;
  }
  return ticks.map((t) => {
    const text = (t / scale.factor).toFixed(decimals);
    return Number(text) === 0 ? '0' : text + scale.suffix;
  });
}

/** Distances between ticks that come out round, with few digits, in the scale that `size` is printed in. */
export function tickSteps(unit: Unit, size: number): number[] {
  const { factor } = scaleFor(size, unit);
  return Array.from({ length: 31 }, (_, i) => 10 ** (i - 15)).flatMap((p) => [
    p * factor,
    2 * p * factor,
    5 * p * factor,
  ]);
}
