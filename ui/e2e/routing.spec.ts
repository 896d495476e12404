// Routing: the tree, the way of a label set through it, and another configuration. A stand-in answers for the server.
import type { Page } from '@playwright/test';
import { standInAlerting } from './alerting-standin';
import { chart, expect, parameter, test } from './page';

const told = (page: Page) => page.locator('.route-card[data-told="true"] strong').allTextContents();
const labels = (page: Page) => page.getByRole('textbox', { name: 'Which receivers would this label set reach?' });

test('the tree is drawn with what each route does', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/targets');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Routing');
  await expect(page.locator('.route')).toHaveCount(5);
  const critical = page.locator('.route', { hasText: 'severity="critical"' }).last();
  await expect(critical.locator('.route-card').first()).toContainText('critical/pagerduty[0]');
  await expect(critical.locator('.route-card').first()).toContainText('after 10s');
  await expect(critical.locator('.route')).toContainText('Quiet now: night');
  await expect(page.locator('.route-card', { hasText: 'team="storage"' })).toContainText('and on to the next');
});

test('the way of a label set is shown, and the address holds it', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/routing');
  await labels(page).fill('severity="critical", team="storage"');
  await expect(page.getByText('Reaches storage, critical')).toBeVisible();
  expect(await told(page)).toEqual(['storage', 'critical']);
  await expect(page.locator('.route[data-on="true"]')).toHaveCount(3);
  await page.reload();
  await expect(page.getByText('Reaches storage, critical')).toBeVisible();
  await labels(page).fill('severity=~"x"');
  await expect(page.getByText('Labels are written as')).toBeVisible();
  await page
    .getByRole('combobox', { name: 'Or that of a firing alert' })
    .selectOption({ label: 'BackupMissing {job="nightly", severity="warning"}' });
  await expect(page.getByText('Reaches warnings')).toBeVisible();
  expect(parameter(page, 'labels')).toBe('{alertname="BackupMissing", job="nightly", severity="warning"}');
  await page.getByRole('button', { name: 'Clear' }).click();
  await expect(page.locator('.route[data-on="true"]')).toHaveCount(0);
});

test('another configuration shows its tree, its errors, and what it would have done', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/routing?labels=severity="critical"');
  await page.getByRole('button', { name: 'Try another configuration' }).click();
  const config = page.getByRole('textbox', { name: 'alertmanager.yml' });
  await expect(config).toHaveValue(/receiver: default/);
  await config.fill('route:\n  receiver: nobody\n');
  await expect(page.locator('.note-critical')).toContainText('undefined receiver "nobody"');
  await page.getByRole('button', { name: 'Line 2' }).click();
  await expect(config).toBeFocused();
  expect(
    await config.evaluate((area: HTMLTextAreaElement) => area.value.slice(area.selectionStart, area.selectionEnd)),
  ).toBe('  receiver: nobody');
  await config.fill('route:\n  receiver: default\n');
  await expect(page.getByRole('heading', { name: 'Routes of the unsaved configuration' })).toBeVisible();
  await expect(page.locator('.route')).toHaveCount(2);
  expect(await told(page)).toEqual(['default']);
  await page.getByRole('button', { name: 'What would it have done?' }).click();
  const part = page.getByRole('region', { name: 'Another configuration' });
  await expect(part.locator('.facts')).toContainText('−49');
  await expect(chart(page)).toBeVisible();
  await expect(part.getByRole('region', { name: 'Notifications by receiver' })).toContainText('warnings');
  await expect(part.locator('.what-if-changes')).toContainText('in force warnings ×49');
  await expect(part.locator('.what-if-changes')).toContainText('unsaved nobody');
  // What was written stays in this tab.
  await page.reload();
  await expect(config).toHaveValue('route:\n  receiver: default\n');
  await page.getByRole('button', { name: 'Start again from the one in force' }).click();
  await expect(page.getByRole('heading', { name: 'Routes in force' })).toBeVisible();
  await page.getByRole('button', { name: 'Close' }).click();
  await expect(config).toHaveCount(0);
});

test('no answer is told', async ({ page }) => {
  await standInAlerting(page);
  await page.route('**/alerting/routes', (route) => route.fulfill({ status: 503, body: 'starting' }));
  await page.goto('/routing');
  await expect(page.locator('.note-critical')).toContainText('Routes could not be read');
});
