// Accessibility in both themes, and the width of a phone.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { standInAlerting } from './alerting-standin';
import { CPU, chart, expect, explore, hasInk, test } from './page';

const VIEWS: [string, string, (page: Page) => Promise<void>][] = [
  [
    'explore-graph',
    explore({ A: CPU, B: 'node_memory_MemAvailable_bytes' }),
    (page) => expect(chart(page)).toBeVisible(),
  ],
  ['explore-table', explore({ A: 'up', tab: 'table' }), (page) => expect(page.locator('.result')).toBeVisible()],
  ['explore-error', explore({ A: 'sum(' }), (page) => expect(page.locator('.query-error')).toBeVisible()],
  ['explore-empty', '/explore', (page) => expect(page.locator('.starters')).toBeVisible()],
  [
    'targets',
    '/targets',
    async (page) => {
      await page.locator('.target-row a').first().click();
      await expect(page.locator('.label-diff')).toBeVisible();
    },
  ],
  ['status-store', '/status', (page) => expect(page.getByRole('region', { name: 'Memory' })).toBeVisible()],
  [
    'status-cardinality',
    '/status?tab=cardinality&label=__name__',
    (page) => expect(page.getByRole('region', { name: 'Values of __name__' })).toBeVisible(),
  ],
  ['status-queries', '/status?tab=queries', (page) => expect(page.locator('.facts')).toBeVisible()],
  [
    'silences',
    '/silences?state=active,pending,expired',
    (page) => expect(page.locator('.silence').first()).toBeVisible(),
  ],
  [
    'silence-form',
    `/silences?new=${encodeURIComponent('{team="storage"}')}`,
    (page) => expect(page.locator('.silence-hits').first()).toContainText('DiskFull'),
  ],
  [
    'silence-window',
    `/silences?new=${encodeURIComponent('{team="web"}')}&repeat=tuesday;22:00;02:00;Europe/Berlin`,
    (page) => expect(page.locator('.silence-form')).toContainText('every Tuesday'),
  ],
  [
    'history',
    '/history',
    async (page) => {
      await page.locator('.event-line').first().click();
      await expect(page.locator('.event-detail')).toContainText('DiskFull');
    },
  ],
  ['history-noise', '/history?tab=noise', (page) => expect(page.locator('.data-table').first()).toBeVisible()],
  [
    'routing',
    `/routing?labels=${encodeURIComponent('{severity="critical", team="storage"}')}`,
    (page) => expect(page.locator('.route-card[data-told="true"]').first()).toBeVisible(),
  ],
  [
    'routing-what-if',
    '/routing?try=1',
    async (page) => {
      await page.getByRole('textbox', { name: 'alertmanager.yml' }).fill('route: {receiver: default}');
      await page.getByRole('button', { name: 'What would it have done?' }).click();
      await expect(page.locator('.what-if-changes')).toBeVisible();
      await expect(chart(page)).toBeVisible();
    },
  ],
  ['notifications', '/notifications', (page) => expect(page.locator('.letter').first()).toBeVisible()],
];

/** Pages of alerting show what the stand-in has made up: a server that has just started has nothing to show. */
async function open(page: Page, url: string) {
  if (!/^\/(explore|targets|status)/.test(url)) await standInAlerting(page);
  await page.goto(url);
}

for (const scheme of ['light', 'dark'] as const) {
  for (const [name, url, ready] of VIEWS) {
    test(`${name} has no serious accessibility finding in ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await open(page, url);
      await ready(page);
      if (url.startsWith('/explore')) await expect(page.locator('.cm-content').first()).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
      expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
    });
  }

  test(`dialogs have no serious accessibility finding in ${scheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await page.goto(explore({ A: 'up' }));
    await expect(chart(page)).toBeVisible();
    for (const key of ['t', '/', '?']) {
      await page.keyboard.press(key);
      await expect(page.getByRole('dialog')).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).include('[role=dialog]').analyze();
      const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
      expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog')).toHaveCount(0);
    }
  });
}

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  for (const [name, url, ready] of VIEWS) {
    test(`${name} fits the width`, async ({ page }, info) => {
      await open(page, url);
      await ready(page);
      if (name === 'explore-graph') await expect.poll(() => hasInk(page)).toBe(true);
      const over = await page.evaluate(() =>
        [document.documentElement, ...document.querySelectorAll('main')].map((e) => e.scrollWidth - e.clientWidth),
      );
      expect(Math.max(...over)).toBeLessThanOrEqual(0);
      await expect(page.getByRole('navigation').getByRole('link', { name: 'Targets' })).toBeInViewport();
      await page.screenshot({ path: info.outputPath(`${name}.png`) });
    });
  }
});
