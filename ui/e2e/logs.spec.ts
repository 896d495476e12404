// Logs: search, count, read, follow, take away. The page alone: a stand-in answers for the server.
import { readFile } from 'node:fs/promises';
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, parameter, test } from './page';
import { standIn } from './standin';

const ALL = '{service_name=~".+"}';
const logs = (parameters: Record<string, string>) =>
  `/logs?${new URLSearchParams({ from: 'now-1h', to: 'now', ...parameters })}`;
const editor = (page: Page) => page.locator('[data-editor="logs"] .cm-content');
const rows = (page: Page) => page.locator('.line');
const pill = (page: Page, text: string) => page.locator('.pill', { hasText: text });

test.beforeEach(async ({ page }) => standIn(page));

test('whoever comes without a question sees the last lines, when they were written, and what they hold', async ({
  page,
}) => {
  await page.goto('/logs');
  await expect(rows(page).first()).toBeVisible();
  expect(parameter(page, 'q')).toBe(ALL);
  await expect(page.locator('.logs-count')).toContainText(/^500 of \d+ lines/);
  await expect(page.getByRole('group', { name: 'Levels' })).toContainText('Error');
  await expect(page.locator('.logs-bars canvas')).toBeVisible();
  await expect(page.locator('.fields')).toContainText('service_name');
  await expect(page.locator('.fields')).toContainText('status');
  await expect(rows(page).first().locator('.level')).toContainText(/Fatal|Error|Warn|Info|Debug/);
});

test('a query is typed, run and shared by its address', async ({ page }) => {
  await page.goto(logs({ q: ALL }));
  await editor(page).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('{service_name="gateway"} |= "level=error"');
  await page.keyboard.press('Control+Enter');
  await expect.poll(() => parameter(page, 'q')).toContain('gateway');
  await expect(rows(page).first().locator('mark, .level-error').first()).toBeVisible();
  const address = page.url();
  await page.goto('/status');
  await page.goto(address);
  await expect(editor(page)).toContainText('gateway');
  await expect(pill(page, '|= "level=error"')).toBeVisible();
});

test('fields show their commonest values, which filter, and pills take filters back', async ({ page }) => {
  await page.goto(logs({ q: ALL }));
  await page.locator('.field-name', { hasText: 'region' }).click();
  const values = page.getByRole('list', { name: 'Top values of region' });
  await expect(values).toContainText('us-east-1');
  await expect(values).toContainText('%');
  await page.getByRole('button', { name: 'Keep region eu-west-1' }).click();
  await expect.poll(() => parameter(page, 'q')).toBe('{service_name=~".+", region="eu-west-1"}');
  await page.getByRole('button', { name: 'region="eu-west-1"', exact: true }).click();
  await expect.poll(() => parameter(page, 'q')).toContain('region!="eu-west-1"');
  await page.getByRole('button', { name: 'Remove region!="eu-west-1"' }).click();
  await expect.poll(() => parameter(page, 'q')).toBe(ALL);
  await page.locator('.field-name', { hasText: 'status' }).click();
  await page.getByRole('button', { name: 'Leave out status 200' }).click();
  await expect.poll(() => parameter(page, 'q')).toMatch(/\| json \| status!="200"$/);
  await page.goBack();
  await expect.poll(() => parameter(page, 'q')).toBe(ALL);
});

test('a level and a drag over the histogram narrow the search', async ({ page }) => {
  await page.goto(logs({ q: ALL }));
  await page.getByRole('group', { name: 'Levels' }).getByRole('button', { name: /Error/ }).click();
  await expect.poll(() => parameter(page, 'q')).toContain('detected_level="error"');
  await expect(rows(page).first().locator('.level-error')).toBeVisible();
  const box = await page.locator('.logs-bars .u-over').boundingBox();
  if (!box) throw new Error('no histogram');
  await page.mouse.move(box.x + box.width / 3, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 25, { steps: 5 });
  await page.mouse.up();
  await expect.poll(() => parameter(page, 'from')).toMatch(/^\d{13}$/);
});

test('fields become columns, which move and go', async ({ page }) => {
  await page.goto(logs({ q: '{service_name="checkout"}' }));
  await page.getByRole('button', { name: 'Add column status' }).click();
  await page.getByRole('button', { name: 'Add column duration_ms' }).click();
  await expect.poll(() => parameter(page, 'cols')).toBe('status,duration_ms,_line');
  await expect(rows(page).first().locator('.line-value').first()).toHaveText(/^\d{3}$/);
  await page.getByRole('button', { name: 'Move duration_ms left' }).click();
  await expect.poll(() => parameter(page, 'cols')).toBe('duration_ms,status,_line');
  await page.getByRole('columnheader').getByRole('button', { name: 'Remove Line' }).click();
  await expect.poll(() => parameter(page, 'cols')).toBe('duration_ms,status');
  await expect(rows(page).first().locator('.line-text')).toHaveCount(0);
});

test('a line unfolds into fields, JSON and text, leads to its trace and its neighbours', async ({ page }) => {
  await page.goto(logs({ q: '{service_name="checkout"}' }));
  await rows(page).nth(3).locator('button').click();
  const detail = page.locator('.detail');
  await expect(detail.locator('tr', { hasText: 'user_id' })).toContainText(/90071992547\d+/);
  await detail.getByRole('button', { name: 'JSON' }).click();
  await expect(detail.locator('.tree')).toContainText('country');
  await detail.getByRole('button', { name: 'Raw' }).click();
  await expect(detail.locator('.detail-raw')).toContainText('{"timestamp"');
  expect(parameter(page, 'open')).toMatch(/^\d{19}-\w+$/);
  await detail.getByRole('button', { name: 'Surrounding lines' }).click();
  const around = page.getByRole('dialog', { name: 'Surrounding lines' });
  await expect(around.locator('li[aria-current]')).toHaveCount(1);
  await expect(around.locator('code.context-stream')).toContainText('service_name="checkout"');
  const before = await around.locator('li').count();
  await around.getByRole('button', { name: '20 earlier' }).click();
  await expect.poll(() => around.locator('li').count()).toBeGreaterThan(before);
  await page.keyboard.press('Escape');
  await expect(around).toHaveCount(0);
  await detail.getByRole('link', { name: 'Lines of this trace' }).click();
  await expect.poll(() => parameter(page, 'q')).toMatch(/^\{service_name=~"\.\+"\} \|= `[0-9a-f]{16}`$/);
});

test('lines are walked through and unfolded with the keys', async ({ page }) => {
  await page.goto(logs({ q: ALL }));
  await rows(page).first().locator('button').focus();
  for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowDown');
  await expect(page.locator('[data-row="40"]')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('.detail')).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.locator('.detail')).toHaveCount(0);
});

test('older lines are loaded at the end, without a repeat', async ({ page }) => {
  await page.goto(logs({ q: ALL, limit: '100' }));
  await expect(page.locator('.logs-count')).toContainText(/^100 of /);
  await page.locator('.lines').evaluate((e) => e.scrollTo(0, e.scrollHeight));
  await page
    .getByRole('button', { name: 'Load 1,000 older lines' })
    .or(page.getByRole('button', { name: 'Load 1000 older lines' }))
    .click();
  await expect(page.locator('.logs-count')).toContainText(/^1,?100 of /);
});

test('a hundred thousand lines scroll smoothly', async ({ page }) => {
  test.slow();
  await page.goto(logs({ q: ALL, limit: '100000', from: 'now-2d' }));
  await expect(page.locator('.logs-count')).toContainText(/^100,?000 of/, { timeout: 120_000 });
  expect(await rows(page).count()).toBeLessThan(120);
  // What "smoothly" means without a clock: wherever one scrolls to, the next frames show lines, and never all of them.
  const most = await page.locator('.lines').evaluate(async (list) => {
    let most = 0;
    for (let i = 1; i <= 60; i++) {
      list.scrollTop = list.scrollHeight / 2 + i * 200;
      await new Promise((resolve) => requestAnimationFrame(resolve));
      most = Math.max(most, list.querySelectorAll('.line').length);
    }
    return most;
  });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(120);
  await expect(rows(page).last()).toBeVisible();
});

test('live lines come in, are held, and go on', async ({ page }) => {
  await page.goto(logs({ q: ALL }));
  await page.getByRole('button', { name: 'Live' }).click();
  await expect.poll(() => parameter(page, 'live')).toBe('1');
  await expect(page.locator('.logs-tools .severity')).toHaveText('Following');
  await expect(rows(page).first()).toBeVisible();
  await page.getByRole('button', { name: 'Pause' }).click();
  const newest = await rows(page).first().textContent();
  await expect(page.getByRole('button', { name: /Resume: \d+ waiting/ })).toBeVisible();
  expect(await rows(page).first().textContent()).toBe(newest);
  await page.getByRole('button', { name: /Resume/ }).click();
  await expect.poll(() => rows(page).first().textContent()).not.toBe(newest);
});

test('patterns are counted and filter', async ({ page }) => {
  await page.goto(logs({ q: ALL, tab: 'patterns' }));
  const row = page.locator('.patterns tbody tr', { hasText: 'INFO job' });
  await expect(row).toContainText('%');
  await row.getByRole('button', { name: 'Keep' }).click();
  await expect.poll(() => parameter(page, 'q')).toContain('|> `<_> INFO job');
  await expect(rows(page).first()).toContainText('finished after');
});

test('every line is exported, however few are shown', async ({ page }) => {
  // The picker of a file opens a window of the system; without it the browser downloads.
  await page.addInitScript(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));
  await page.goto(logs({ q: ALL, limit: '100', from: 'now-6h', cols: 'status,_line' }));
  await expect(rows(page).first()).toBeVisible();
  await page.getByRole('button', { name: 'Export' }).click();
  for (const [format, first] of [
    ['NDJSON', /^\{"time":"[\d-]+T[\d:.]+Z","labels":/],
    ['CSV', /^time,level,status,line\r$/],
  ] as const) {
    const arriving = page.waitForEvent('download');
    await page.getByRole('button', { name: format, exact: true }).click();
    const lines = (await readFile(await (await arriving).path(), 'utf8')).trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(15_000);
    expect(lines[0]).toMatch(first);
    expect(new Set(lines).size).toBe(lines.length);
  }
});

test('a search is saved, found in the history, and deleted', async ({ page }) => {
  await page.goto(logs({ q: '{service_name="cart"}', wrap: '1' }));
  await page.getByRole('button', { name: 'Saved' }).click();
  await page.getByLabel('Name of the search').fill('Cart, wrapped');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await page.goto(logs({ q: ALL }));
  await page.getByRole('button', { name: 'Saved' }).click();
  await page.locator('.saved-name', { hasText: 'Cart, wrapped' }).click();
  await expect.poll(() => parameter(page, 'wrap')).toBe('1');
  expect(parameter(page, 'q')).toBe('{service_name="cart"}');
  await page.getByRole('button', { name: 'Saved' }).click();
  await expect(page.locator('.saved')).toContainText('Last run');
  await page.getByRole('button', { name: 'Delete Cart, wrapped' }).click();
  await expect(page.locator('.saved-name', { hasText: 'Cart, wrapped' })).toHaveCount(0);
});

test('an error says where; nothing found says what to do; a count is drawn', async ({ page }) => {
  await page.goto(logs({ q: '{service_name="cart"' }));
  await expect(page.locator('.query-error')).toContainText('Line 1, column 21');
  await expect(page.locator('.query-error-mark')).toHaveCount(1);
  await page.getByRole('button', { name: 'Go to the position' }).click();
  await expect(editor(page)).toBeFocused();
  await page.goto(logs({ q: '{service_name="cart"} |= "nobody writes this"' }));
  await expect(page.getByRole('heading', { name: 'No line fits' })).toBeVisible();
  await page.getByRole('button', { name: 'Take off the last filter' }).click();
  await expect(rows(page).first()).toBeVisible();
  await page.goto(logs({ q: 'sum by (service_name) (count_over_time({service_name=~".+"}[5m]))' }));
  await expect(page.locator('section.legend')).toContainText('checkout');
});

test('without logs there is a way to send some, and without the API a reason', async ({ page }) => {
  await page.route('**/loki/api/v1/labels**', (route) => route.fulfill({ json: { status: 'success' } }));
  await page.goto('/logs');
  await expect(page.getByRole('heading', { name: 'No logs in this range' })).toBeVisible();
  await expect(page.locator('.command').first()).toContainText('/loki/api/v1/push');
  await page.route('**/loki/api/v1/labels**', (route) => route.fulfill({ status: 404, body: '404 page not found' }));
  await page.reload();
  await expect(page.getByRole('heading', { name: 'This server has no logs' })).toBeVisible();
});

test('parts of the answer may fail without the rest', async ({ page }) => {
  await page.route('**/loki/api/v1/detected_**', (route) => route.fulfill({ status: 500, body: 'out of order' }));
  await page.route('**/loki/api/v1/query', (route) => route.fulfill({ status: 500, body: 'out of order' }));
  await page.goto(logs({ q: ALL }));
  await expect(rows(page).first()).toBeVisible();
  await expect(page.locator('.fields')).toContainText('the server could not list them: out of order');
  await expect(page.locator('.fields')).toContainText('status');
});

const VIEWS: [string, Record<string, string>, string][] = [
  ['list', { q: ALL }, '.line'],
  [
    'columns',
    { q: '{service_name="checkout"}', cols: 'status,_line', field: 'region', wrap: '1' },
    '.field-values .number',
  ],
  ['patterns', { q: ALL, tab: 'patterns' }, '.patterns td'],
  ['error', { q: '{service_name="cart"' }, '.query-error'],
];

for (const scheme of ['light', 'dark'] as const) {
  for (const [name, parameters, ready] of VIEWS) {
    test(`logs: ${name} has no serious accessibility finding in ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto(logs(parameters));
      await expect(page.locator(ready).first()).toBeVisible();
      if (name === 'list') await rows(page).first().locator('button').click();
      await expect(editor(page)).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
      expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
    });
  }
}

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  test('logs fit the width, and fields open on demand', async ({ page }) => {
    for (const [, parameters, ready] of VIEWS) {
      await page.goto(logs(parameters));
      await expect(page.locator(ready).first()).toBeAttached();
      const over = await page.evaluate(() =>
        [document.documentElement, ...document.querySelectorAll('main')].map((e) => e.scrollWidth - e.clientWidth),
      );
      expect(Math.max(...over)).toBeLessThanOrEqual(0);
    }
    await page.goto(logs({ q: ALL }));
    await rows(page).first().locator('button').click();
    await expect(page.locator('.detail')).toBeVisible();
    await page.getByRole('button', { name: 'Fields', exact: true }).first().click();
    await expect(page.locator('.fields')).toBeVisible();
    await page.locator('.fields').getByRole('button', { name: 'Close' }).click();
    await expect(page.locator('.fields')).toBeHidden();
  });
});
