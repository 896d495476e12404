// The token file is the only one with literals, and its colours can be read and told apart.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('./', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, root), 'utf8');
const tokens = read('tokens.css');
type Rgb = [number, number, number];

function pair(name: string): { light: Rgb; dark: Rgb } {
  const found = new RegExp(`--${name}: light-dark\\(#(\\w{6}), #(\\w{6})\\)`).exec(tokens);
  if (!found) throw new Error(`no token --${name}`);
  const rgb = (hex = ''): Rgb => [0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16) / 255) as Rgb;
  return { light: rgb(found[1]), dark: rgb(found[2]) };
}

const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const luminance = (c: Rgb) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

describe('tokens', () => {
  it('are the only place for colours and lengths', () => {
    const styles = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.css') && file !== 'tokens.css',
    );
    expect(styles.length).toBeGreaterThan(4);
    for (const file of styles) {
      const rules = read(file)
        .replace(/@media[^{]*\{/g, '')
        .replace(/\/\*[\s\S]*?\*\//g, '');
      expect(rules.match(/#[0-9a-f]{3,8}\b(?=[^{]*;)|\b\d*\.?\d+(px|rem|em|ms)\b|rgba?\(|hsla?\(/gi), file).toBeNull();
    }
  });

  it('give text its contrast on every ground', () => {
    const texts = ['text', 'text-quiet', 'accent', 'critical', 'warning', 'info', 'ok', 'unknown'];
    for (const theme of ['light', 'dark'] as const) {
      for (const ground of ['ground', 'ground-nav', 'ground-raised', 'ground-sunken', 'ground-hover']) {
        for (const text of texts) {
          const seen = contrast(pair(text)[theme], pair(ground)[theme]);
          expect(seen, `${text} on ${ground}, ${theme}`).toBeGreaterThanOrEqual(4.5);
        }
      }
      for (const level of ['critical', 'warning', 'info']) {
        expect(contrast(pair(level)[theme], pair(`${level}-ground`)[theme])).toBeGreaterThanOrEqual(4.5);
      }
      expect(contrast(pair('text-on-accent')[theme], pair('accent')[theme])).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('draw series that stand out from the ground', () => {
    for (const theme of ['light', 'dark'] as const) {
      for (let i = 0; i < 10; i++) {
        expect(contrast(pair(`series-${i}`)[theme], pair('ground')[theme]), `series-${i}`).toBeGreaterThanOrEqual(3);
      }
    }
  });

  it('draw series that stay apart without full colour vision', () => {
    for (const theme of ['light', 'dark'] as const) {
      for (const sight of Object.keys(SIGHTS) as (keyof typeof SIGHTS)[]) {
        const seen = Array.from({ length: 10 }, (_, i) => oklab(simulate(pair(`series-${i}`)[theme], sight)));
        for (let a = 0; a < 10; a++) {
          for (let b = 0; b < a; b++) {
            const [x, y] = [seen[a] as Rgb, seen[b] as Rgb];
            const distance = Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
            expect(distance, `series-${b} and series-${a}, ${theme}, ${sight}`).toBeGreaterThan(APART[sight]);
          }
        }
      }
    }
  });
});

// Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
const SIGHTS = {
  full: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
};
const APART: Record<keyof typeof SIGHTS, number> = { full: 0.08, protanopia: 0.048, deuteranopia: 0.048 };

function simulate(colour: Rgb, sight: keyof typeof SIGHTS): Rgb {
  const c = colour.map(linear) as Rgb;
  const m = SIGHTS[sight];
  return [0, 3, 6].map((r) =>
    Math.min(1, Math.max(0, (m[r] ?? 0) * c[0] + (m[r + 1] ?? 0) * c[1] + (m[r + 2] ?? 0) * c[2])),
  ) as Rgb;
}

function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}
