// Alerting against the real server: an alert is sent as others send theirs, seen, silenced, acknowledged, and its history is read.
import type { Page } from '@playwright/test';
import { expect, parameter, test } from './page';

const LABELS = { alertname: 'E2eDiskFull', instance: 'e2e-db-1', severity: 'critical', team: 'e2e' };
const START = Date.now() - 60_000;
const TEAM = '{team="e2e"}';
const row = (page: Page) => page.locator('.alert', { hasText: 'The disk of e2e-db-1 is full' });

async function send() {
  const answer = await fetch(`${process.env.AFFERENT_URL}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([
      {
        labels: LABELS,
        annotations: { summary: 'The disk of e2e-db-1 is full' },
        startsAt: new Date(START).toISOString(),
        endsAt: new Date(Date.now() + 3_600_000).toISOString(),
      },
    ]),
  });
  expect(answer.status).toBe(200);
}

/** Every silence of an earlier attempt is over. */
async function unsilence() {
  const root = `${process.env.AFFERENT_URL}/api/v2`;
  const listed = (await (await fetch(`${root}/silences?filter=team%3D%22e2e%22`)).json()) as {
    id: string;
    status: { state: string };
  }[];
  for (const { id, status } of listed)
    if (status.state !== 'expired') await fetch(`${root}/silence/${id}`, { method: 'DELETE' });
}

test.beforeEach(async ({ page }) => {
  await send();
  await unsilence();
  await page.addInitScript(() => localStorage.setItem('afferent.name', 'e2e'));
});

test('an alert is silenced from where it stands, and the silence is ended', async ({ page }) => {
  await page.goto(`/alerts?match=${encodeURIComponent(TEAM)}`);
  await expect(row(page)).toContainText('Critical');
  await expect(row(page).getByRole('link', { name: 'Silenced' })).toHaveCount(0);
  await row(page).getByRole('link', { name: 'Silence E2eDiskFull' }).click();
  const preview = page.getByRole('region', { name: 'Preview' });
  await expect(preview).toContainText(/Silences 1 of \d+ firing alerts?/);
  await expect(preview.getByRole('list', { name: 'Matched in the last 7 days' })).toContainText('E2eDiskFull');
  await page.getByRole('textbox', { name: 'Why' }).fill('a test');
  await page.getByRole('button', { name: 'Silence one alert' }).click();
  const silence = page.locator('.silence[data-fresh="true"]');
  await expect(silence).toContainText('a test');
  await expect(silence).toContainText('Keeps one alert quiet');
  await page.goto(`/alerts?match=${encodeURIComponent(TEAM)}`);
  await row(page).getByRole('link', { name: 'Silenced' }).click();
  const listed = page.locator('.silence');
  await expect(listed).toHaveCount(1);
  await listed.getByRole('button', { name: /^Expire/ }).click();
  await expect(listed).toContainText('One alert will notify again.');
  await listed.getByRole('button', { name: 'Expire this silence' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'has ended' })).toBeVisible();
  await page.goto(`/alerts?match=${encodeURIComponent(TEAM)}`);
  await expect(row(page)).toBeVisible();
  await expect(row(page).getByRole('link', { name: 'Silenced' })).toHaveCount(0);
  await page.goto('/history?kind=silences');
  await expect(page.locator('.event').first()).toContainText('Silence ended');
});

test('a window that comes again is kept as it was written', async ({ page }) => {
  await page.goto(`/silences?new=${encodeURIComponent('{team="e2e", instance=~"nobody.*"}')}&comment=windows`);
  const form = page.getByRole('form', { name: 'New silence' });
  await expect(page.getByRole('region', { name: 'Preview' })).toContainText('Silences nothing now');
  await form.getByRole('button', { name: 'Again and again' }).click();
  await form.getByRole('button', { name: 'tuesday' }).click();
  await form.getByRole('button', { name: /^Silence/ }).click();
  const made = page.locator('.silence[data-fresh="true"]');
  await expect(made).toContainText('every Tuesday, 22:00 to 02:00');
  await made.getByRole('link', { name: /^Edit/ }).click();
  const edit = page.getByRole('form', { name: 'Edit the silence' });
  await edit.getByRole('textbox', { name: 'Why' }).fill('windows of the week');
  await edit.getByRole('button', { name: 'Save the silence' }).click();
  await expect(page.locator('.silence[data-fresh="true"]')).toContainText('windows of the week');
});

test('an alert is acknowledged, explained, and its history is found', async ({ page }) => {
  await page.goto(`/alerts?match=${encodeURIComponent(TEAM)}`);
  const ack = row(page).getByRole('button', { name: 'Acknowledge' });
  await expect(row(page)).toBeVisible();
  if (await row(page).getByRole('button', { name: 'Take back' }).isVisible())
    await row(page).getByRole('button', { name: 'Take back' }).click();
  await ack.click();
  const dialog = page.getByRole('dialog', { name: 'Acknowledge' });
  await dialog.getByRole('textbox', { name: 'Comment' }).fill('on it');
  await dialog.getByRole('button', { name: 'Acknowledge it' }).click();
  await expect(row(page)).toContainText('Acknowledged by e2e');
  await row(page).getByRole('button', { name: 'Details' }).click();
  await expect(row(page).getByRole('figure', { name: 'Timeline' })).toContainText('Fired once');
  await expect(row(page).getByRole('list', { name: 'Who is told' }).getByRole('listitem').first()).toBeVisible();
  await page.goto(`/history?match=${encodeURIComponent(TEAM)}`);
  await expect(page.locator('.event').first()).toContainText('Acknowledged');
  await page.getByRole('combobox', { name: 'Kind' }).selectOption('firing');
  await expect(page.locator('.event')).toHaveCount(1);
  await page.goto('/history?tab=noise');
  await expect(page.getByRole('region', { name: 'Noisy alerts' })).toContainText('E2eDiskFull');
});

test('a label set is led through the tree, also through another one', async ({ page }) => {
  await page.goto(`/routing?labels=${encodeURIComponent('severity="critical"')}`);
  await expect(page.locator('.route-card[data-told="true"]').first()).toBeVisible();
  await page.getByRole('button', { name: 'Try another configuration' }).click();
  const config = page.getByRole('textbox', { name: 'alertmanager.yml' });
  await expect(config).toHaveValue(/route:/);
  await config.fill('route:\n  receiver: nobody\n');
  await expect(page.locator('.note-critical')).toContainText('nobody');
  await config.fill('route:\n  receiver: all\nreceivers:\n  - name: all\n');
  await expect(page.getByText('Reaches all')).toBeVisible();
  expect(parameter(page, 'try')).toBe('1');
  await page.getByRole('button', { name: 'What would it have done?' }).click();
  await expect(page.locator('.what-if .facts')).toContainText('Unsaved');
});

test('the outbox tells how integrations do', async ({ page }) => {
  await page.goto('/notifications');
  await expect(page.getByRole('region', { name: 'Outbox' })).toBeVisible();
  await expect(page.locator('.facts')).toContainText('Waiting');
});
