// Notifications: what nobody was told, what is on its way, and how receivers do. A stand-in answers for the server.
import { standInAlerting } from './alerting-standin';
import { expect, parameter, test } from './page';

test('what was refused stands first, is sent again, or forgotten after a question', async ({ page }) => {
  const done = await standInAlerting(page);
  await page.goto('/targets');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Notifications');
  const dead = page.getByRole('region', { name: 'Dead letters' });
  await expect(dead).toContainText('2 notifications were refused for good');
  const slack = dead.getByRole('listitem').filter({ hasText: 'critical/slack[0]' });
  await expect(slack).toContainText('invalid_token');
  await expect(slack).toContainText('tried 3 times');
  await slack.locator('summary').click();
  await expect(slack).toContainText('db-2:9100');
  const gone = dead.getByRole('listitem').filter({ hasText: 'storage/webhook[0]' });
  await expect(gone.getByRole('button', { name: 'Re-send' })).toHaveCount(0);
  await slack.getByRole('button', { name: 'Re-send' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Sent to critical/slack[0] again.' })).toBeVisible();
  await expect(slack).toHaveCount(0);
  expect(done.resent).toEqual(['5']);
  await gone.getByRole('button', { name: 'Forget' }).click();
  await expect(gone).toContainText('It is never sent');
  await gone.getByRole('button', { name: 'Forget it' }).click();
  await expect(dead).toHaveCount(0);
  expect(done.forgotten).toEqual(['4']);
});

test('what waits says when it is tried again, and integrations how they do', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/notifications');
  const waiting = page.getByRole('region', { name: 'Waiting notifications' });
  await expect(waiting.getByRole('listitem').first()).toContainText('Sending');
  const mail = waiting.getByRole('listitem').filter({ hasText: 'storage/email[0]' }).first();
  await expect(mail).toContainText(/next try (in \d+ s|now)/);
  await expect(mail).toContainText('tried 4 times');
  await expect(mail).toContainText('connection refused');
  const table = page.getByRole('region', { name: 'Integrations and their state' });
  await expect(table.locator('tbody tr').first()).toContainText('Failing');
  await expect(table.locator('tbody tr').first()).toContainText('storage/email[0]');
  await expect(table).toContainText('Not used yet');
  await expect(page.getByRole('region', { name: 'Attempts' }).locator('.event')).toHaveCount(4);
  await page.getByRole('combobox', { name: 'Receiver' }).selectOption('warnings');
  await expect(waiting.getByRole('listitem')).toHaveCount(1);
  await page.reload();
  await expect(waiting.getByRole('listitem')).toHaveCount(1);
  expect(parameter(page, 'receiver')).toBe('warnings');
  await page.getByRole('textbox', { name: 'Filter notifications' }).fill('nobody has this');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await table.getByRole('link', { name: 'critical/pagerduty[0]' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('History');
  await expect(page.locator('.event')).toHaveCount(5);
});

test('a refusal to send again, an empty outbox and no answer are told', async ({ page }) => {
  await standInAlerting(page);
  await page.route('**/outbox/5/resend', (route) =>
    route.fulfill({ status: 404, json: { status: 'error', errorType: 'not_found', error: 'something newer waits' } }),
  );
  await page.goto('/notifications');
  await page.getByRole('button', { name: 'Re-send', exact: true }).click();
  await expect(page.locator('.note-critical')).toContainText('something newer waits');
  await standInAlerting(page, true);
  await page.reload();
  await expect(page.getByRole('region', { name: 'Outbox' })).toContainText('Nothing waits');
  await expect(page.locator('.note-info')).toContainText('No receiver has a way to be told');
  await expect(page.getByRole('region', { name: 'Attempts' })).toContainText('Nothing was sent to anybody yet');
  await page.route('**/alerting/outbox', (route) => route.fulfill({ status: 503, body: 'starting' }));
  await page.reload();
  await expect(page.locator('.note-critical')).toContainText('Notifications could not be read');
});
