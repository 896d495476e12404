// Range, zone, refresh, theme.
import { chart, expect, explore, parameter, test } from './page';

test('the picker takes quick ranges, relative and absolute ends, and refuses nonsense', async ({ page }) => {
  await page.goto(explore({ A: 'node_load1' }));
  const button = page.getByRole('button', { name: /^Time range:/ });
  await button.click();
  await page.getByRole('button', { name: 'Last 6 hours' }).click();
  await expect(page).toHaveURL(/from=now-6h&to=now/);
  await button.click();
  await page.getByLabel('From', { exact: true }).fill('now-2d/d');
  await page.getByLabel('To', { exact: true }).fill('whenever');
  await page.getByRole('button', { name: 'Apply time range' }).click();
  await expect(page.locator('.time-wrong')).toContainText('“whenever” is not a time');
  await page.getByLabel('To', { exact: true }).fill('now');
  await page.getByRole('button', { name: 'Apply time range' }).click();
  await expect(page).toHaveURL(/from=now-2d\/d&to=now/);
  await button.click();
  await page.getByLabel('From', { exact: true }).fill('2026-01-31 14:00');
  await page.getByLabel('To', { exact: true }).fill('2026-01-31 15:00');
  await page.getByRole('button', { name: 'Apply time range' }).click();
  // 14:00 in Berlin is 13:00 UTC.
  await expect.poll(() => parameter(page, 'from')).toBe(String(Date.UTC(2026, 0, 31, 13)));
  await expect(button).toContainText('2026-01-31 14:00:00 to 2026-01-31 15:00:00');
});

test('zoom out and shift change the range', async ({ page }) => {
  await page.goto(`/explore?A=node_load1&from=1767225600000&to=1767229200000`);
  // An empty answer offers a button of the same name.
  await page.getByTitle('Zoom out (z)').click();
  await expect(page).toHaveURL(/from=1767223800000&to=1767231000000/);
  await page.getByRole('button', { name: 'Half a range earlier' }).click();
  await expect(page).toHaveURL(/from=1767220200000&to=1767227400000/);
});

test('the zone is visible and can be switched', async ({ page }) => {
  await page.goto(explore({ A: 'node_load1' }));
  await expect(page.locator('.time-zone')).toHaveText(/UTC\+0[12]:00/);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('radio', { name: 'UTC', exact: true }).check();
  await expect(page.locator('.time-zone')).toHaveText('UTC');
  expect(parameter(page, 'tz')).toBe('utc');
});

test('refresh asks again by itself', async ({ page }) => {
  await page.goto(explore({ A: 'node_load1', refresh: '5s' }));
  await expect(chart(page)).toBeVisible();
  await page.waitForRequest('**/api/v1/query_range', { timeout: 8_000 });
});

test('the theme follows the system until one is chosen', async ({ page }) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto('/targets');
  const dark = await ground();
  await page.emulateMedia({ colorScheme: 'light' });
  expect(await ground()).not.toBe(dark);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('radio', { name: 'Dark' }).check();
  expect(await ground()).toBe(dark);
  await page.reload();
  expect(await ground()).toBe(dark);
});
