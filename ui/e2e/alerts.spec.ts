// Alerts and rules: what fires, how bad, since when and why. The pages alone: a stand-in answers for the server.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { ALIEN, DISK_2 } from './alerting-made';
import { standInAlerting } from './alerting-standin';
import { chart, expect, hasInk, parameter, test } from './page';
import { DISK, ERRORS, LATENCY, standInRules } from './rules-standin';

const group = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
const rule = (page: Page, name: string) =>
  page.locator('.rule', { has: page.getByRole('link', { name, exact: true }) });
const groupNames = (page: Page) =>
  page.locator('.alerts > .alert-group').evaluateAll((all) => all.map((e) => e.ariaLabel));

test.describe('alerts', () => {
  test('the worst comes first: how many, since when, at which value, with its text and its runbook', async ({
    page,
  }) => {
    await standInRules(page);
    await page.goto('/targets');
    const count = page.getByRole('navigation', { name: 'Pages' }).locator('.nav-count');
    await expect(count).toContainText('5 firing, worst: Critical');
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Alerts');
    await expect(group(page, 'DiskFull')).toBeVisible();
    expect(await groupNames(page)).toEqual(['ErrorLines', 'DiskFull', 'SlowRequests']);
    const disk = group(page, 'DiskFull');
    await expect(disk.locator('.alert-group-head')).toContainText('2 alerts');
    await expect(disk.locator('.alert-group-head')).toContainText('team=storage');
    const first = disk.locator('.alert').first();
    await expect(first.locator('.severity')).toHaveText('Critical');
    await expect(first.locator('.alert-since')).toHaveText(/^14m .*ago$/);
    await expect(first.locator('.alert-value')).toHaveText('4.2%');
    await expect(first).toContainText('Disk of db-1:9100 is full');
    await expect(first).toContainText('Delete old backups');
    const runbook = first.getByRole('link', { name: 'Runbook' });
    await expect(runbook).toHaveAttribute('href', 'https://runbooks.example.org/disk');
    await expect(runbook).toHaveAttribute('target', '_blank');
    await expect(first).toContainText('owner: javascript:alert(1)');
    await expect(page.locator('a[href^="javascript"]')).toHaveCount(0);
  });

  test('the graph is of the compared side, with the bound across it', async ({ page }) => {
    const asked = await standInRules(page);
    await page.goto('/alerts');
    await expect(chart(page)).toBeVisible();
    expect(asked.drawn).toEqual([ERRORS.replace(/ > 10$/, '')]);
    await group(page, 'DiskFull').getByRole('button', { name: 'Graph' }).click();
    await expect(page.getByRole('figure')).toHaveAccessibleName(/size_bytes, bound < 0\.1\./);
    expect(asked.drawn.at(-1)).toBe(DISK.replace(/ < 0\.1$/, ''));
    await expect.poll(() => hasInk(page)).toBe(true);
    await expect.poll(() => parameter(page, 'open')).not.toBe('');
    await page.reload();
    await expect(page.getByRole('figure')).toHaveAccessibleName(/bound < 0\.1/);
    await group(page, 'DiskFull').getByRole('link', { name: 'Open in Explore' }).click();
    await expect.poll(() => parameter(page, 'A')).toBe(DISK.replace(/ < 0\.1$/, ''));
  });

  test('words, severities and labels filter, and the address holds them', async ({ page }) => {
    await standInRules(page);
    await page.goto('/alerts');
    await page
      .getByRole('group', { name: 'Severity' })
      .getByRole('button', { name: /Warning/ })
      .click();
    await expect(page.locator('.alerts > .alert-group')).toHaveCount(1);
    expect(parameter(page, 'severity')).toBe('warning');
    await group(page, 'SlowRequests').getByRole('button', { name: 'service=cart' }).click();
    await expect(page.locator('.alerts > .alert-group .alert')).toHaveCount(1);
    expect(parameter(page, 'match')).toBe('{service="cart"}');
    await page.reload();
    const pills = page.getByRole('list', { name: 'Filters' });
    await pills.getByRole('button', { name: 'service="cart"', exact: true }).click();
    await expect(page.locator('.alerts > .alert-group .alert')).toContainText(['checkout is slow']);
    await pills.getByRole('button', { name: 'Remove service!="cart"' }).click();
    await expect.poll(() => parameter(page, 'match')).toBeNull();
    await page.getByRole('textbox', { name: 'Filter alerts' }).fill('nobody has this');
    await expect(page.getByRole('heading', { name: 'No firing alert fits the filter' })).toBeVisible();
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await expect(page.locator('.alerts > .alert-group')).toHaveCount(3);
    await page.getByRole('combobox', { name: 'Group by' }).selectOption('team');
    await expect(group(page, 'storage')).toBeVisible();
    expect(await groupNames(page)).toEqual(['No team', 'storage', 'web']);
  });

  test('what may fire soon and what is quiet are folded, and lead to their rules', async ({ page }) => {
    await standInRules(page);
    await page.goto('/alerts');
    await page.locator('summary', { hasText: 'Pending' }).click();
    await expect.poll(() => parameter(page, 'show')).toBe('pending');
    await expect(group(page, 'QueueGrows').locator('.alert-since')).toContainText(/fires in 10m|fires in 11m/);
    await page.locator('summary', { hasText: 'Inactive' }).click();
    await page.locator('.alert-quiet').getByRole('link', { name: 'NodeDown' }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Rules');
    await expect(rule(page, 'NodeDown').locator('.rule-detail')).toContainText('Fires after');
  });

  test('rules that fail are told: what they watch for is not noticed', async ({ page }) => {
    await standInRules(page);
    await page.goto('/alerts');
    await expect(page.locator('.note-warning')).toContainText('One alerting rule fails');
    await page.getByRole('link', { name: 'Show it' }).click();
    await expect(page.locator('.rule')).toHaveCount(1);
    await expect(rule(page, 'BudgetSpent').locator('.rule-error')).toContainText('duplicate series');
  });

  test('quiet is said, and without rules how to add them', async ({ page }) => {
    const quiet = { name: 'q', file: 'q.yml', interval: 15, took: 0.1, rules: [{ alert: 'Quiet', expr: 'up == 0' }] };
    await standInRules(page, { metrics: [quiet], logs: [] });
    await page.goto('/alerts');
    await expect(page.getByRole('heading', { name: 'Nothing fires' })).toBeVisible();
    await expect(page.locator('.state-empty')).toContainText('1 alerting rule watches');
    await expect(page.locator('.nav-count')).toHaveCount(0);
    await standInRules(page, { metrics: [], logs: [] });
    await page.reload();
    await expect(page.getByRole('heading', { name: 'No alerting rules yet' })).toBeVisible();
    await expect(page.locator('.command').first()).toContainText('InstanceDown');
  });

  test('where one of the two does not answer the other is shown, and nothing is called quiet', async ({ page }) => {
    await standInRules(page, { metrics: [], logs: [] });
    await page.route('**/prometheus/api/v1/*', (route) => route.fulfill({ status: 503, body: 'starting' }));
    await page.goto('/alerts');
    await expect(page.locator('.note-warning')).toContainText('Rules over logs could not be read');
    await expect(page.getByText('No alerting rules yet')).toHaveCount(0);
    await expect(page.locator('.nav-count')).toContainText('not all of them could be read');
    await page.route(
      (url) => /^\/api\/v1\/(rules|alerts)$/.test(url.pathname),
      (route) => route.abort(),
    );
    await page.reload();
    await expect(page.locator('.note-critical')).toContainText('Alerts could not be read');
    await expect(page.getByText('afferent status')).toBeVisible();
    await standInRules(page);
    await page.getByRole('button', { name: 'Retry' }).click();
    await expect(group(page, 'DiskFull')).toBeVisible();
  });
});

test.describe('what is done about alerts', () => {
  const row = (page: Page, text: string) => page.locator('.alert', { hasText: text });

  test('who is told, what is silenced, and what others have sent, stand beside them', async ({ page }) => {
    await standInRules(page);
    await standInAlerting(page);
    await page.goto('/alerts');
    await expect(row(page, 'checkout is slow').getByRole('link', { name: 'Silenced' })).toBeVisible();
    await expect(row(page, 'Disk of db-1:9100')).toContainText('→ critical, storage');
    const foreign = group(page, 'BackupMissing');
    await expect(foreign).toContainText('No backup since yesterday');
    await expect(foreign).toContainText('Sent by another system');
    await expect(page.locator('.nav-count')).toContainText('6 firing');
    await expect(foreign.getByRole('link', { name: 'Open its source' })).toHaveAttribute(
      'href',
      'http://backup.example.org/',
    );
    await page.getByRole('combobox', { name: 'Handled' }).selectOption('quiet');
    await expect(page.locator('.alerts > .alert-group .alert')).toHaveCount(1);
    expect(parameter(page, 'handled')).toBe('quiet');
    await row(page, 'checkout is slow').getByRole('link', { name: 'Silenced' }).click();
    await expect(page.locator('.silence')).toContainText('the fix is on its way');
  });

  test('two presses and a reason silence an alert, or all of a group', async ({ page }) => {
    await standInRules(page);
    const done = await standInAlerting(page);
    await page.addInitScript(() => localStorage.setItem('afferent.name', 'ann'));
    await page.goto('/alerts');
    await row(page, 'Disk of db-1:9100').getByRole('link', { name: 'Silence DiskFull' }).click();
    await expect(page.getByRole('textbox', { name: 'Why' })).toBeFocused();
    await page.keyboard.type('growing the volume');
    await page.getByRole('button', { name: 'Silence one alert' }).click();
    await expect(page.locator('.silence[data-fresh="true"]')).toContainText('instance="db-1:9100"');
    expect(done.saved[0]).toMatchObject({ createdBy: 'ann', comment: 'growing the volume' });
    await page.goto('/alerts');
    await expect(row(page, 'Disk of db-1:9100').getByRole('link', { name: 'Silenced' })).toBeVisible();
    await group(page, 'DiskFull').getByRole('link', { name: 'Silence all of DiskFull' }).click();
    await expect(page.getByRole('button', { name: 'Silence 2 alerts' })).toBeVisible();
  });

  test('an alert is acknowledged, and that is taken back', async ({ page }) => {
    await standInRules(page);
    const done = await standInAlerting(page);
    await page.goto('/alerts');
    const second = row(page, 'Disk of db-2:9100');
    await expect(row(page, 'Disk of db-1:9100')).toContainText('Acknowledged by ann');
    await second.getByRole('button', { name: 'Acknowledge' }).click();
    const dialog = page.getByRole('dialog', { name: 'Acknowledge' });
    await dialog.getByRole('button', { name: 'Acknowledge it' }).click();
    await expect(dialog.getByRole('alert')).toHaveText('Say who you are');
    await dialog.getByRole('textbox', { name: 'Your name' }).fill('bob');
    await dialog.getByRole('textbox', { name: 'Comment' }).fill('looking');
    await page.keyboard.press('Enter');
    await expect(second).toContainText('Acknowledged by bob');
    await expect(second).toContainText('looking');
    expect(done.acked).toEqual([{ id: DISK_2, by: 'bob', assignee: '', comment: 'looking' }]);
    await second.getByRole('button', { name: 'Take back' }).click();
    await expect(second.getByRole('button', { name: 'Acknowledge' })).toBeVisible();
  });

  test('unfolded: its timeline, who is told and why, and what happened', async ({ page }) => {
    await standInRules(page);
    await standInAlerting(page);
    await page.goto('/alerts');
    const first = row(page, 'Disk of db-1:9100');
    await first.getByRole('button', { name: 'Details' }).click();
    await expect(first.getByRole('figure', { name: 'Timeline' })).toContainText('Fired 2 times');
    await expect(first.locator('.strip-firing')).toHaveCount(2);
    const told = first.getByRole('list', { name: 'Who is told' });
    await expect(told).toContainText('critical/slack[0]: told 12m');
    await expect(told).toContainText('nothing has changed');
    await expect(first.getByRole('list', { name: 'Latest events' })).toContainText('invalid_token');
    await page.reload();
    await first.getByRole('link', { name: 'All 9 events' }).click();
    await expect(page.locator('.event')).toHaveCount(9);
  });

  test('search finds an alert that fires', async ({ page }) => {
    await standInRules(page);
    await standInAlerting(page);
    await page.goto('/targets');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
    await page.keyboard.press('/');
    await page.getByRole('combobox', { name: 'Search pages, metrics and actions' }).fill('diskfull db-2');
    await page.getByRole('option', { name: /DiskFull .*db-2:9100/ }).click();
    await expect(page.locator('.alerts > .alert-group .alert')).toHaveCount(1);
    await expect(row(page, 'Disk of db-2:9100')).toBeVisible();
  });

  test('without an answer from the dispatcher the alerts are still there', async ({ page }) => {
    await standInRules(page);
    await page.route(/\/api\/v2\/alerts/, (route) => route.fulfill({ status: 500, json: 'the disk is full' }));
    await page.goto('/alerts');
    await expect(page.locator('.note-warning').first()).toContainText('the disk is full');
    await expect(group(page, 'DiskFull')).toBeVisible();
  });
});

test.describe('rules', () => {
  test('stand by file and group, what is wrong first, with the pace of each group', async ({ page }) => {
    await standInRules(page);
    await page.goto('/targets');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
    await page.keyboard.press('g');
    await page.keyboard.press('r');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Rules');
    await expect(page.locator('.rule-file > h2').first()).toContainText('web.yml');
    const web = group(page, 'Group web');
    await expect(web.locator('.rule-group-head')).toContainText('every 1m');
    await expect(web.locator('.rule-pace')).toContainText('Nearly too slow');
    await expect(web.locator('.rule-pace')).toContainText('85% of the interval');
    await expect(group(page, 'Group slow').locator('.rule-pace')).toContainText('Too slow');
    await expect(page.locator('.note-warning')).toContainText('One group takes longer than the interval');
    await expect(rule(page, 'BudgetSpent').locator('.severity')).toHaveText('Failing');
    await expect(rule(page, 'DiskFull').locator('.severity')).toHaveText('Firing');
    await expect(rule(page, 'New')).toContainText('Never');
    await expect(rule(page, 'SlowRequests').locator('.code-function').first()).toHaveText('histogram_quantile');
  });

  test('filters and the order are kept in the address', async ({ page }) => {
    await standInRules(page);
    await page.goto('/rules');
    await page
      .getByRole('group', { name: 'State' })
      .getByRole('button', { name: /Firing/ })
      .click();
    await expect(page.locator('.rule')).toHaveCount(3);
    await page.getByRole('textbox', { name: 'Filter rules' }).fill('disk');
    await expect(page.locator('.rule')).toHaveCount(1);
    await page.reload();
    await expect(page.locator('.rule')).toHaveCount(1);
    expect(parameter(page, 'state')).toBe('firing');
    await page.goto('/rules');
    await page.getByRole('combobox', { name: 'Kind' }).selectOption('recording');
    await expect(page.locator('.rule')).toHaveCount(2);
    await page.getByRole('combobox', { name: 'Order' }).selectOption('slowest');
    await expect(page.locator('.rule').first()).toContainText('job:requests:rate5m');
    await expect(page.locator('.rule').first()).toContainText('slow in web.yml, every 30 s');
    await page
      .getByRole('group', { name: 'Health' })
      .getByRole('button', { name: /Failing/ })
      .click();
    await expect(page.getByRole('heading', { name: 'No rule fits the filter' })).toBeVisible();
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await expect(page.locator('.rule').first()).toContainText('SlowRequests');
    expect(parameter(page, 'order')).toBe('slowest');
  });

  test('a rule unfolds by keyboard to its labels, annotations and alerts, and leads on', async ({ page }) => {
    await standInRules(page);
    await page.goto('/rules');
    await page.getByRole('link', { name: 'DiskFull', exact: true }).focus();
    await page.keyboard.press('Enter');
    const detail = rule(page, 'DiskFull').locator('.rule-detail');
    await expect(detail).toContainText('Disk of {{ $labels.instance }} is full');
    await expect(detail).toContainText('storage');
    await expect(detail.locator('.rule-alerts li')).toHaveCount(2);
    const address = page.url();
    await detail.getByRole('link', { name: 'Open in Explore' }).click();
    await expect.poll(() => parameter(page, 'A')).toBe(DISK);
    await page.goto(address);
    await detail.getByRole('link', { name: 'Show on the page of alerts' }).click();
    await expect(page.locator('.alerts > .alert-group')).toHaveCount(1);
    await page.goto('/rules');
    await page.getByRole('link', { name: 'ErrorLines', exact: true }).click();
    await page.getByRole('link', { name: 'Open in Logs' }).click();
    await expect.poll(() => parameter(page, 'q')).toBe(ERRORS);
  });

  test('search finds rules by name', async ({ page }) => {
    await standInRules(page);
    await page.goto('/targets');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Targets');
    await page.keyboard.press('/');
    await expect(page.getByRole('combobox', { name: 'Search pages, metrics and actions' })).toBeFocused();
    await page.keyboard.type('slowrequests');
    await expect(page.getByRole('option', { name: /SlowRequests in web/ })).toBeVisible();
    await page.keyboard.press('Enter');
    await expect(rule(page, 'SlowRequests').locator('.rule-detail')).toContainText('Alerting');
    await expect(rule(page, 'SlowRequests').locator('.rule-expression')).toHaveText(LATENCY);
  });

  test('without rules there is a rule to begin with', async ({ page }) => {
    await standInRules(page, { metrics: [], logs: [] });
    await page.goto('/rules');
    await expect(page.getByRole('heading', { name: 'No rules yet' })).toBeVisible();
    await expect(page.locator('.command').first()).toContainText('InstanceDown');
    await expect(page.getByText('/-/reload')).toBeVisible();
  });
});

const VIEWS: [string, string, string][] = [
  ['alerts', '/alerts?show=pending,inactive', 'figure.chart'],
  ['alerts-handled', `/alerts?detail=sent.${ALIEN}`, '.alert-strip'],
  ['alerts-filtered', '/alerts?match={team="web"}&by=team', '.alert-pill'],
  ['rules', '/rules', '.rule'],
];

for (const scheme of ['light', 'dark'] as const) {
  for (const [name, url, ready] of VIEWS) {
    test(`${name} has no serious accessibility finding in ${scheme}`, async ({ page }) => {
      await standInRules(page);
      if (name === 'alerts-handled') await standInAlerting(page);
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto(url);
      await expect(page.locator(ready).first()).toBeVisible();
      if (name === 'rules') await page.getByRole('link', { name: 'DiskFull', exact: true }).click();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
      expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
    });
  }
}

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  for (const [name, url, ready] of VIEWS) {
    test(`${name} fits the width`, async ({ page }, info) => {
      await standInRules(page);
      if (name === 'alerts-handled') await standInAlerting(page);
      await page.goto(url);
      await expect(page.locator(ready).first()).toBeVisible();
      if (name === 'rules') await page.getByRole('link', { name: 'DiskFull', exact: true }).click();
      const over = await page.evaluate(() =>
        [document.documentElement, ...document.querySelectorAll('main')].map((e) => e.scrollWidth - e.clientWidth),
      );
      expect(Math.max(...over)).toBeLessThanOrEqual(0);
      for (const label of ['Alerts', 'Rules', 'Status'])
        await expect(
          page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: label }),
        ).toBeInViewport();
      await page.screenshot({ path: info.outputPath(`${name}.png`) });
    });
  }
});
