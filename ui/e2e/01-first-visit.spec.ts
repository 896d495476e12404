// What a person sees who opens the page right after the first start.
import { chart, expect, hasInk, legend, parameter, test } from './page';

test.use({ returning: false });

test('shows the CPU of this machine within 30 seconds of the start', async ({ page }) => {
  const started = Number(process.env.AFFERENT_STARTED);
  await page.goto('/');
  await expect(page).toHaveURL(/\/explore\?A=/);
  expect(parameter(page, 'from')).toBe('now-15m');
  expect(parameter(page, 'refresh')).toBe('5s');
  await expect(legend(page).getByRole('button', { name: 'user' })).toBeVisible({ timeout: 30_000 });
  await expect.poll(() => hasInk(page), { timeout: 30_000 }).toBe(true);
  expect(Date.now() - started).toBeLessThan(30_000);
  await expect(chart(page)).toBeVisible();
  await expect(page.locator('.query-cost')).toContainText(/\d series · [\d,]+ samples? read · step 5 s/);
});

test('a second visit starts with queries to choose from', async ({ page }) => {
  await page.goto('/explore?A=up');
  await expect(page.locator('.query-cost')).toBeVisible();
  await page.goto('/explore');
  await expect(page.getByRole('heading', { name: 'The graph of a query appears here' })).toBeVisible();
  await page.getByRole('button', { name: /Load, one minute/ }).click();
  await expect(page).toHaveURL(/A=node_load1/);
  await expect(chart(page)).toBeVisible();
});
