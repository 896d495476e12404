// Everything without a mouse.
import { CPU, chart, editor, expect, explore, legend, parameter, test } from './page';

test('keys go to pages, to the query, to the time range and to search', async ({ page }) => {
  await page.goto(explore({ A: 'node_load1' }));
  await expect(chart(page)).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
  await expect(editor(page)).toHaveCount(0);
  await page.keyboard.press('e');
  await expect(page).toHaveURL(/\/explore\?.*A=node_load1/);
  await expect(editor(page)).toBeVisible();
  await page.keyboard.press('e');
  await expect(editor(page)).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(editor(page)).not.toBeFocused();
  await page.keyboard.press('t');
  await expect(page.getByRole('dialog', { name: 'Time range' })).toBeVisible();
  await page.keyboard.type('3 hours');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/from=now-3h/);
  await page.keyboard.press('z');
  await expect(page).toHaveURL(/from=\d{13}/);
  await page.keyboard.press('/');
  await expect(page.getByRole('combobox', { name: 'Search pages, metrics and actions' })).toBeFocused();
  await page.keyboard.type('targets');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Search pages, metrics and actions' })).toBeFocused();
  await page.keyboard.type('node_load5');
  await expect(page.getByRole('option', { name: /node_load5/ })).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/A=node_load5/);
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('a query is written, run and read without a mouse', async ({ page }) => {
  await page.goto('/explore');
  await expect(editor(page)).toBeVisible();
  await page.keyboard.press('e');
  await page.keyboard.type(CPU);
  await page.keyboard.press('Control+Enter');
  await expect(page).toHaveURL(/A=sum/);
  const first = legend(page).locator('.legend-name').first();
  await first.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect.poll(() => parameter(page, 'only')).toMatch(/^A\w+$/);
  await page.keyboard.press('Enter');
  await expect.poll(() => parameter(page, 'only')).toBeNull();
  await page.keyboard.press('Space');
  await expect.poll(() => parameter(page, 'hide')).toMatch(/^A\w+$/);
  await chart(page).focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await expect(page.locator('.tooltip')).toBeVisible();
});

test('a target is opened with Tab and Enter', async ({ page }) => {
  await page.goto('/targets');
  const link = page.locator('.target-row a').first();
  await link.focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('.label-diff')).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.locator('.label-diff')).toHaveCount(0);
});
