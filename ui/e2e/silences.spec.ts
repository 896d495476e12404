// Silences: what is kept quiet, and how one is made without keeping more quiet than was meant. A stand-in answers for the server.
import { standInAlerting } from './alerting-standin';
import { expect, parameter, test } from './page';

const KNOWN = '{alertname="SlowRequests", service=~"check.*"}';

test('silences stand by state: until when, what they keep quiet, why and by whom', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/targets');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Silences');
  const active = page.getByRole('region', { name: 'Active silences' }).getByRole('listitem', { name: KNOWN });
  await expect(active).toContainText('Ends in');
  await expect(active).toContainText('the fix is on its way');
  await expect(active).toContainText('ann');
  await expect(active).toContainText('Keeps one alert quiet');
  const pending = page.getByRole('region', { name: 'Pending silences' });
  await expect(pending).toContainText('every Tuesday, 22:00 to 02:00 Europe/Berlin');
  await expect(page.getByRole('region', { name: 'Expired silences' })).toHaveCount(0);
  await page.getByRole('group', { name: 'State' }).getByRole('button', { name: 'Expired 1' }).click();
  await expect(page.getByRole('region', { name: 'Expired silences' })).toContainText('job="nightly"');
  expect(parameter(page, 'state')).toBe('active,pending,expired');
  await page.getByRole('textbox', { name: 'Filter silences' }).fill('patch');
  await expect(page.locator('.silence')).toHaveCount(1);
  await page.reload();
  await expect(page.locator('.silence')).toHaveCount(1);
  await page.getByRole('textbox', { name: 'Filter silences' }).fill('nobody');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await expect(page.locator('.silence')).toHaveCount(3);
});

test('a silence shows whom it meets before it is made, and wants a reason', async ({ page }) => {
  const done = await standInAlerting(page);
  await page.goto('/silences');
  await page.getByRole('button', { name: 'New silence' }).click();
  const form = page.getByRole('form', { name: 'New silence' });
  await expect(form.getByRole('combobox', { name: 'Label 1' })).toBeFocused();
  await page.keyboard.type('team');
  await form.getByRole('combobox', { name: 'Value 1' }).fill('storage');
  const preview = page.getByRole('region', { name: 'Preview' });
  await expect(preview).toContainText('Silences 2 of 4 firing alerts');
  await expect(preview.getByRole('list', { name: 'Matched in the last 7 days' })).toContainText('db-7:9100');
  expect(parameter(page, 'new')).toBe('{team="storage"}');
  await form.getByRole('button', { name: 'Silence 2 alerts' }).click();
  await expect(form.locator('.note-critical')).toContainText('Say why');
  await expect(form.getByRole('textbox', { name: 'Why' })).toBeFocused();
  await page.keyboard.type('Patch day');
  await form.getByRole('textbox', { name: 'Your name' }).fill('ann');
  await form.getByRole('button', { name: '4h', exact: true }).click();
  await expect(form).toContainText('in 4h');
  // The address holds what was written.
  await page.reload();
  await expect(form.getByRole('textbox', { name: 'Why' })).toHaveValue('Patch day');
  await expect(form.getByRole('textbox', { name: 'Your name' })).toHaveValue('ann');
  await form.getByRole('textbox', { name: 'Why' }).press('Control+Enter');
  await expect(page.getByRole('status').filter({ hasText: 'The silence was made.' })).toBeVisible();
  await expect(form).toHaveCount(0);
  await expect(page.locator('.silence[data-fresh="true"]')).toContainText('Keeps 2 alerts quiet');
  const [saved] = done.saved as {
    matchers: unknown;
    comment: string;
    createdBy: string;
    startsAt: string;
    endsAt: string;
  }[];
  expect(saved?.matchers).toEqual([{ name: 'team', value: 'storage', isRegex: false, isEqual: true }]);
  expect(saved).toMatchObject({ comment: 'Patch day', createdBy: 'ann' });
  expect(Date.parse(saved?.endsAt ?? '') - Date.parse(saved?.startsAt ?? '')).toBe(4 * 3_600_000);
});

test('one that would keep everything quiet, or that cannot be understood, is told', async ({ page }) => {
  await standInAlerting(page);
  await page.goto(`/silences?new=${encodeURIComponent('{alertname=~".+"}')}`);
  const preview = page.getByRole('region', { name: 'Preview' });
  await expect(preview.locator('.note-warning')).toContainText('All 4 alerts that fire now');
  await page.getByRole('combobox', { name: 'Value 1' }).fill('(');
  await expect(preview.locator('.note-warning')).toContainText('missing closing )');
  await page.getByRole('combobox', { name: 'Comparison 1' }).selectOption('!=');
  await page.getByRole('combobox', { name: 'Value 1' }).fill('x');
  await page.getByRole('button', { name: /^Silence/ }).click();
  await expect(page.locator('.silence-form .note-critical')).toContainText('must not hold where the label is absent');
});

test('a window comes again and again', async ({ page }) => {
  const done = await standInAlerting(page);
  await page.goto(`/silences?new=${encodeURIComponent('{team="web"}')}&comment=Deployments`);
  const form = page.getByRole('form', { name: 'New silence' });
  await form.getByRole('textbox', { name: 'Your name' }).fill('bob');
  await form.getByRole('button', { name: 'Again and again' }).click();
  await form.getByRole('button', { name: 'monday' }).click();
  await form.getByRole('button', { name: 'friday' }).click();
  await expect(form).toContainText('every Monday and Friday, 22:00 to 02:00 Europe/Berlin; ends on the next day');
  await form.getByRole('combobox', { name: 'Reminder' }).selectOption('15');
  await form.getByRole('button', { name: /^Silence/ }).click();
  await expect(form).toHaveCount(0);
  expect(done.saved[0]).toMatchObject({
    recurrence: { weekdays: ['monday', 'friday'], start: '22:00', end: '02:00', timeZone: 'Europe/Berlin' },
    remindMinutes: 15,
  });
});

test('a silence is edited, ended after a question, and made again', async ({ page }) => {
  const done = await standInAlerting(page);
  await page.goto('/silences');
  await page.getByRole('link', { name: `Edit ${KNOWN}` }).click();
  const form = page.getByRole('form', { name: 'Edit the silence' });
  await expect(form.getByRole('combobox', { name: 'Comparison 2' })).toHaveValue('=~');
  await form.getByRole('textbox', { name: 'Your name' }).fill('ann');
  await form.getByRole('button', { name: '8h', exact: true }).click();
  await form.getByRole('button', { name: 'Save the silence' }).click();
  await expect(form).toHaveCount(0);
  expect(done.saved[0]).toMatchObject({ id: '5e1e0000-0000-4000-8000-000000000001', remindMinutes: 15 });
  const row = page.getByRole('listitem', { name: KNOWN });
  await row.getByRole('button', { name: `Expire ${KNOWN}` }).click();
  await expect(row).toContainText('One alert will notify again.');
  await page.keyboard.press('Escape');
  expect(done.ended).toEqual([]);
  await expect(row.getByRole('button', { name: `Expire ${KNOWN}` })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(row.getByRole('button', { name: 'Expire this silence' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('status').filter({ hasText: 'has ended' })).toBeVisible();
  expect(done.ended).toEqual(['5e1e0000-0000-4000-8000-000000000001']);
  await page.goto('/silences?state=expired');
  await page.getByRole('listitem', { name: '{job="nightly"}' }).getByRole('link', { name: 'Silence again' }).click();
  await expect(page.getByRole('form', { name: 'New silence' }).getByRole('textbox', { name: 'Why' })).toHaveValue(
    'The backup moves to another host',
  );
});

test('whole conditions can be pasted', async ({ page }) => {
  await standInAlerting(page);
  await page.goto('/silences?new={}');
  await page.getByRole('combobox', { name: 'Label 1' }).evaluate((field) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text', '{job="db", host!~"test-.*"}');
    field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  });
  await expect(page.getByRole('combobox', { name: 'Label 2' })).toHaveValue('host');
  await expect(page.getByRole('combobox', { name: 'Comparison 2' })).toHaveValue('!~');
  await expect(page.getByRole('combobox', { name: 'Value 2' })).toHaveValue('test-.*');
});

test('nothing silenced, and no answer, are told', async ({ page }) => {
  await standInAlerting(page, true);
  await page.goto('/silences');
  await expect(page.getByRole('heading', { name: 'Nothing is silenced' })).toBeVisible();
  await page.route('**/alerting/silences', (route) => route.fulfill({ status: 503, body: 'starting' }));
  await page.reload();
  await expect(page.locator('.note-critical')).toContainText('Silences could not be read');
});
