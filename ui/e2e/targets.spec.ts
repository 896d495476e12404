// Who answers, who does not and why, and what relabelling did.
import { chart, expect, test } from './page';

test('a down target shows its error, its labels before and after, and a way to its data', async ({ page }) => {
  await page.goto('/targets');
  await expect(page.locator('.pool-row h2').first()).toHaveText('broken');
  const row = page.locator('.target-row', { hasText: '127.0.0.1:1/' });
  await expect(row.locator('.severity')).toHaveText('Down');
  await expect(row.locator('.target-error')).toContainText(/refused/i);
  await row.getByRole('link').click();
  await expect(page).toHaveURL(/open=broken/);
  const labels = page.locator('.label-diff');
  await expect(labels.locator('tr', { hasText: '__address__' })).toContainText('127.0.0.1:1');
  await expect(labels.locator('tr[data-change="added"]').first()).toContainText('added');
  await page.reload();
  await expect(labels).toBeVisible();
  await page.locator('.target-facts').getByRole('link', { name: /^up\{/ }).click();
  await expect(page).toHaveURL(/\/explore\?.*A=up/);
  await expect(chart(page)).toBeVisible();
});

test('relabelling is shown rule by rule where the server can', async ({ page }) => {
  await page.goto('/targets');
  await page.locator('.target-row', { hasText: '127.0.0.1:1/' }).getByRole('link').click();
  await page.getByRole('button', { name: 'Show relabelling rule by rule' }).first().click();
  await expect(page.locator('.steps li, .target-detail > p.quiet').first()).toContainText(
    /action|target_label|single rules/,
  );
});

test('filters by words, state and pool are kept in the URL', async ({ page }) => {
  await page.goto('/targets');
  await page.getByRole('group', { name: 'State' }).getByRole('button', { name: /Down/ }).click();
  await expect(page).toHaveURL(/health=down/);
  for (const state of await page.locator('.target-row .severity').allTextContents()) expect(state).toBe('Down');
  await page.getByRole('textbox', { name: 'Filter targets' }).fill('nobody has this');
  await expect(page.getByRole('heading', { name: 'No target fits the filter' })).toBeVisible();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await page.getByRole('combobox', { name: 'Scrape pool' }).selectOption('host');
  await expect(page).toHaveURL(/pool=host/);
  await expect(page.locator('.pool-row')).toHaveCount(1);
});

test('dropped targets are listed', async ({ page }) => {
  await page.goto('/targets');
  await page.locator('.dropped summary').click();
  await expect(page.locator('.dropped li').first()).toContainText('__address__');
});

test('the list follows the scrapes', async ({ page }) => {
  await page.goto('/targets');
  await expect(page.locator('.target-row').first()).toBeVisible();
  await page.waitForRequest('**/api/v1/targets?state=any', { timeout: 8_000 });
});

test('what log lines are read from is listed with what is wrong first', async ({ page }) => {
  const status = {
    files: [{ job: 'varlogs', path: '/var/log/syslog', offset: 81_920, size: 81_920, state: 'following' }],
    sources: [{ job: 'docker', kind: 'docker', name: 'unix:///run/docker.sock', lines: 0, state: 'no such file' }],
    receivers: [{ host: 'local', lastError: null }],
    bufferBytes: 0,
    bufferLimit: 1,
    notices: ['server: is set by --listen'],
  };
  await page.route('**/api/afferent/v1/status/shipper', (route) =>
    route.fulfill({ json: { status: 'success', data: status } }),
  );
  await page.goto('/targets');
  const rows = page.getByRole('region', { name: 'Log sources' }).locator('tbody tr');
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toContainText('no such file');
  await expect(rows.last()).toContainText('/var/log/syslog');
  await expect(page.getByText('is set by --listen')).toBeVisible();
});

test('without a server there is a reason, a command, and a way back', async ({ page }) => {
  await page.route('**/api/v1/targets?state=any', (route) => route.abort());
  await page.goto('/targets');
  await expect(page.locator('.note-critical')).toContainText('The server does not answer');
  await expect(page.getByText('afferent status')).toBeVisible();
  await page.unroute('**/api/v1/targets?state=any');
  await page.getByRole('button', { name: 'Retry' }).click();
  await expect(page.locator('.target-row').first()).toBeVisible();
});
