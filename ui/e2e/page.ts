// What the specs share: a page on the server under test, and words for what a user does.
import { test as base, expect, type Locator, type Page } from '@playwright/test';

export { expect };

/** Every test fails on an exception in the page or a script that could not be loaded. */
export const test = base.extend<{ returning: boolean }>({
  returning: [true, { option: true }],
  baseURL: async ({ browserName: _ }, use) => use(process.env.AFFERENT_URL),
  page: async ({ page, returning }, use) => {
    const failures: string[] = [];
    page.on('pageerror', (error) => failures.push(error.message));
    page.on('console', (message) => {
      const refused = /Failed to load resource/.test(message.text());
      if (message.type() === 'error' && !refused) failures.push(message.text());
    });
    if (returning) await page.addInitScript(() => localStorage.setItem('afferent.visited', '1'));
    await use(page);
    expect(failures).toEqual([]);
  },
});

export const CPU = 'sum by (mode) (rate(node_cpu_seconds_total[1m]))';

export function explore(parameters: Record<string, string>): string {
  return `/explore?${new URLSearchParams({ from: 'now-15m', to: 'now', ...parameters })}`;
}

export const editor = (page: Page, id = 'A'): Locator => page.locator(`[data-editor="${id}"] .cm-content`);
export const chart = (page: Page): Locator => page.locator('figure.chart').first();
export const legend = (page: Page): Locator => page.locator('section.legend').first();

/** Some pixel of the plotting area has one of the series colours: a line was really drawn. */
export async function hasInk(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('figure.chart canvas');
    const context = canvas?.getContext('2d');
    if (!canvas || !context) return false;
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = [data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0, data[i + 3] ?? 0];
      if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60) coloured++;
    }
    return coloured > 50;
  });
}

export const parameter = (page: Page, name: string) => new URL(page.url()).searchParams.get(name);
