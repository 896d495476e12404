// History: what happened, found again; and what of it is noise. A stand-in answers for the server.
import { DISK_1 } from './alerting-made';
import { standInAlerting } from './alerting-standin';
import { expect, parameter, test } from './page';

const rows = '.event';

test('events stand newest first, unfold, and lead to what they are about', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/targets');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
  await page.keyboard.press('g');
  await page.keyboard.press('h');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('History');
  const first = page.locator(rows).first();
  await expect(first).toContainText('Acknowledged');
  await expect(first).toContainText('DiskFull');
  await expect(first).toContainText('on it');
  await expect(page.locator(rows).nth(1).locator('.severity')).toHaveText('Refused');
  await expect(page.locator(rows).nth(1)).toContainText('invalid_token');
  await expect(page.locator(rows).nth(6)).toContainText('Firing, critical');
  await first.getByRole('button').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const opened = page.locator('.event[data-open="true"]');
  await expect(opened).toContainText('attempt 3');
  await expect(opened.locator('code')).toContainText('team="storage"');
  await expect.poll(() => parameter(page, 'open')).not.toBeNull();
  await page.reload();
  await opened.getByRole('link', { name: DISK_1 }).click();
  await expect.poll(() => parameter(page, 'alert')).toBe(DISK_1);
  await expect(page.locator(rows)).toHaveCount(9);
  await page.getByRole('button', { name: `Remove alert ${DISK_1}` }).click();
  await expect.poll(() => parameter(page, 'alert')).toBeNull();
});

test('kind, labels and receiver filter, and the address holds them', async ({ page }) => {
  const done = await standInAlerting(page);
  await page.goto('/history');
  await page.getByRole('combobox', { name: 'Kind' }).selectOption('notifications');
  await expect(page.locator(rows)).toHaveCount(5);
  await page.getByRole('combobox', { name: 'Receiver' }).selectOption('critical');
  await expect(page.locator(rows)).toHaveCount(5);
  await page.reload();
  await expect(page.locator(rows)).toHaveCount(5);
  expect(done.asked.at(-1)?.searchParams.getAll('kind')).toContain('failed');
  await page.goto('/history?from=now-1h&to=now');
  await page.getByRole('textbox', { name: 'Labels' }).fill('team="stor');
  await expect(page.getByRole('textbox', { name: 'Labels' })).toHaveAttribute('aria-invalid', 'true');
  await page.getByRole('textbox', { name: 'Labels' }).fill('{team="storage"}');
  await expect.poll(() => parameter(page, 'match')).toBe('{team="storage"}');
  await expect(page.locator(rows)).toHaveCount(5);
  await page.getByRole('combobox', { name: 'Kind' }).selectOption('configuration');
  await expect(page.getByRole('heading', { name: 'Nothing in this range fits the filter' })).toBeVisible();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await expect(page.locator(rows).first()).toContainText('Acknowledged');
  await expect(page.getByRole('textbox', { name: 'Labels' })).toHaveValue('');
});

test('a long history is drawn as far as it is seen, and has more pages', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/history?from=now-24h&to=now');
  await expect(page.getByText('500 newest events')).toBeVisible();
  expect(await page.locator(rows).count()).toBeLessThan(100);
  const list = page.getByRole('region', { name: 'Events' });
  await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await page.getByRole('button', { name: 'Load older events' }).click();
  await expect(page.getByText('614 events')).toBeVisible();
});

test('noise: what fires most, flaps, and is never acted on', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/history');
  await page.getByRole('navigation', { name: 'Parts of the history' }).getByRole('link', { name: 'Noise' }).click();
  const table = page.getByRole('region', { name: 'Noisy alerts' });
  await expect(table.locator('tbody tr').first()).toContainText('SlowRequests');
  await expect(page.locator('.facts')).toContainText('412');
  await page.getByRole('group', { name: 'Show' }).getByRole('button', { name: 'Never acted on 2' }).click();
  await expect(table.locator('tbody tr')).toHaveCount(2);
  await table.getByRole('button', { name: 'Alert', exact: true }).click();
  await expect(table.locator('tbody tr').first()).toContainText('BackupMissing');
  await page.getByRole('group', { name: 'Days' }).getByRole('button', { name: '30 days' }).click();
  await page.reload();
  await expect(table.locator('tbody tr').first()).toContainText('BackupMissing');
  expect(parameter(page, 'days')).toBe('30');
  await table.getByRole('link', { name: 'SlowRequests' }).click();
  await expect.poll(() => parameter(page, 'match')).toBe('{alertname="SlowRequests"}');
  await expect(page.getByRole('region', { name: 'Events' })).toBeVisible();
});

test('nothing yet, and no answer, are told', async ({ page }) => {
  await standInAlerting(page, true);
  await page.goto('/history');
  await expect(page.getByRole('heading', { name: 'Nothing happened in this range' })).toBeVisible();
  await page.goto('/history?tab=noise');
  await expect(page.getByRole('heading', { name: 'Nothing has fired in the last 7 days' })).toBeVisible();
  await page.route('**/alerting/history?*', (route) => route.fulfill({ status: 503, body: 'starting' }));
  await page.goto('/history');
  await expect(page.locator('.note-critical')).toContainText('The history could not be read');
});
