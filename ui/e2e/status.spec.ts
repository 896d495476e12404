// How the server itself is doing: store, cardinality, queries at work.
import type { Page } from '@playwright/test';
import { chart, expect, parameter, test } from './page';

const success = (data: unknown) => ({ json: { status: 'success', data } });
const STORE = '**/api/afferent/v1/status/store';
const QUERIES = '**/api/afferent/v1/queries';

test('the store tells what comes in, what it takes, what waits and what was refused', async ({ page }) => {
  await page.goto('/targets');
  await expect(page.locator('.target-row').first()).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(page).toHaveURL(/\/status$/);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Status');
  const fact = (name: string) => page.locator('.facts > div', { hasText: name }).locator('.fact-value');
  await expect(fact('Samples in')).toHaveText(/^[\d.]+( k)?\/s$/);
  await expect(fact('Active series')).toHaveText(/^[1-9]/);
  await expect(fact('Write-ahead log')).toHaveText(/^[\d.]+ (B|KiB|MiB)$/);
  await expect(page.getByRole('region', { name: 'Memory' }).locator('tbody tr')).toHaveCount(3);
  await expect(page.getByRole('region', { name: 'Pending work' })).toContainText('Compaction');
  await expect(page.getByRole('region', { name: 'Rejected samples' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Blocks' })).toBeVisible();
  await page.waitForRequest(STORE, { timeout: 8_000 });
});

test('a metric is followed to its labels, their values, and its graph', async ({ page }) => {
  await page.goto('/status');
  await page
    .getByRole('navigation', { name: 'Parts of the status' })
    .getByRole('link', { name: 'Cardinality' })
    .click();
  await expect(page).toHaveURL(/tab=cardinality/);
  const metrics = page.getByRole('region', { name: 'Metrics', exact: true });
  await expect(metrics.locator('tbody tr').first()).toBeVisible();
  await page.getByRole('textbox', { name: 'Search names and values' }).fill('cpu_seconds');
  await metrics.getByRole('link', { name: 'node_cpu_seconds_total', exact: true }).click();
  await expect.poll(() => parameter(page, 'match')).toBe('node_cpu_seconds_total');
  await expect(metrics).toHaveCount(0);
  await page
    .getByRole('region', { name: 'Labels', exact: true })
    .getByRole('link', { name: 'mode', exact: true })
    .click();
  const values = page.getByRole('region', { name: 'Values of mode' });
  await expect(values.locator('tbody tr')).not.toHaveCount(0);
  await values.getByRole('link', { name: 'idle', exact: true }).click();
  await expect.poll(() => parameter(page, 'match')).toBe('node_cpu_seconds_total{mode="idle"}');
  await page.goBack();
  await expect(values).toBeVisible();
  await values.getByRole('link', { name: 'Explore idle' }).click();
  await expect.poll(() => parameter(page, 'A')).toBe('node_cpu_seconds_total{mode="idle"}');
  await expect(chart(page)).toBeVisible();
});

test('a selector is typed, and a wrong one says where', async ({ page }) => {
  await page.goto('/status?tab=cardinality');
  const field = page.getByRole('textbox', { name: 'Selector' });
  await field.fill('{job="host"}');
  await field.press('Enter');
  await expect.poll(() => parameter(page, 'match')).toBe('{job="host"}');
  await expect(page.locator('.facts')).toContainText('Series that match');
  await field.fill('{job=');
  await field.press('Enter');
  await expect(page.locator('.note-critical')).toContainText('match[]');
  await field.fill('there_is_no_such_metric');
  await field.press('Enter');
  await expect(page.getByRole('heading', { name: 'No series in memory match' })).toBeVisible();
  await page.getByRole('link', { name: 'All series' }).first().click();
  await expect(page.getByRole('region', { name: 'Metrics', exact: true })).toBeVisible();
});

const QUERY = {
  id: '6554b280-17',
  state: 'running',
  kind: 'range',
  query: 'sum by (job) (rate(http_requests_total[5m]))',
  tenant: 'default',
  started: 1700000000000,
  elapsedSeconds: 61.5,
  queuedSeconds: 0,
  timeoutSeconds: 120,
  start: 1699996400000,
  end: 1700000000000,
  stepSeconds: 15,
  series: 4300,
  samples: 1032000,
  memoryBytes: 8290304,
  peakMemoryBytes: 9120000,
  client: '127.0.0.1:51820',
  userAgent: 'Grafana/11.1',
};
const load = { now: 1700000061500, queued: 0, maxRunning: 20, maxQueued: 80 };

/** A server with one query at work until it is killed; returns what was asked to be ended. */
async function busy(page: Page): Promise<string[]> {
  const killed: string[] = [];
  await page.route(`${QUERIES}*`, (route) => {
    const queries = killed.length === 0 ? [QUERY] : [];
    return route.fulfill(success({ ...load, running: queries.length, queries }));
  });
  await page.route(`${QUERIES}/*`, (route) => {
    killed.push(`${route.request().method()} ${new URL(route.request().url()).pathname.split('/').at(-1)}`);
    return route.fulfill(success({ ...QUERY, state: 'ending' }));
  });
  return killed;
}

test('a query at work shows its cost, and is killed after a question that can be taken back', async ({ page }) => {
  const killed = await busy(page);
  await page.goto('/status?tab=queries');
  const row = page.locator('.active-query');
  await expect(row).toContainText(QUERY.query);
  await expect(row).toContainText(/Age\s*1m/);
  await expect(row).toContainText('range, 1h in steps of 15 s');
  await expect(row).toContainText('1.03 M');
  await expect(row).toContainText('7.91 MiB');
  const kill = row.getByRole('button', { name: 'Kill', exact: true });
  await kill.focus();
  await page.keyboard.press('Enter');
  await expect(row.getByRole('button', { name: 'Kill this query' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(kill).toBeFocused();
  expect(killed).toEqual([]);
  await page.keyboard.press('Enter');
  await expect(row.getByRole('button', { name: 'Kill this query' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByText('Query 6554b280-17 was ended.')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'No query is running' })).toBeVisible();
  expect(killed).toEqual(['DELETE 6554b280-17']);
});

test('a refused kill says why, and the query stays', async ({ page }) => {
  await busy(page);
  await page.unroute(`${QUERIES}/*`);
  await page.route(`${QUERIES}/*`, (route) =>
    route.fulfill({
      status: 403,
      json: { status: 'error', errorType: 'forbidden', error: 'only callers of this machine' },
    }),
  );
  await page.goto('/status?tab=queries');
  await page.getByRole('button', { name: 'Kill', exact: true }).click();
  await page.getByRole('button', { name: 'Kill this query' }).click();
  await expect(page.locator('.active-query')).toContainText('only callers of this machine');
});

test('a store in trouble says so first', async ({ page }) => {
  await page.route(STORE, async (route) => {
    const answer = await (await route.fetch()).json();
    answer.data.blocks.damagedReads = 3;
    answer.data.memory.headLimit = answer.data.memory.head + 1;
    answer.data.ingestion.rejected.series_limit = 12_000;
    return route.fulfill({ json: answer });
  });
  await page.goto('/status');
  await expect(page.locator('.note-critical')).toContainText('3 rows of blocks could not be read');
  await expect(page.locator('.note-warning')).toContainText('Writes are answered with 503');
  await expect(page.getByRole('region', { name: 'Rejected samples' })).toContainText(/Too many series\s*12 k/);
});

test('what was lost is listed with its time and its file', async ({ page }) => {
  const what = 'block 0000000000000007.parquet was damaged';
  await page.route(STORE, async (route) => {
    const answer = await (await route.fetch()).json();
    expect(answer.data.damage.lossCount).toBe(0);
    const loss = { tenant: 'default', minTime: 1_700_000_000_000, maxTime: 1_700_003_600_000, what, rows: 12 };
    answer.data.damage.losses = [
      { ...loss, file: 'quarantine/0000000000000007.parquet', noticedMs: 1_700_009_000_000 },
    ];
    answer.data.damage.lossCount = 1;
    answer.data.damage.quarantinedFiles = 1;
    return route.fulfill({ json: answer });
  });
  await page.goto('/status');
  await expect(page.locator('.note-critical')).toContainText('1 span of time lost samples to damage');
  const damage = page.getByRole('region', { name: 'Damage' });
  await expect(damage).toContainText('1 file put aside');
  await expect(damage.getByRole('row', { name: what })).toContainText('quarantine/0000000000000007.parquet');
});

test('without a server each part has a reason, a command, and a way back', async ({ page }) => {
  await page.route('**/api/afferent/v1/**', (route) => route.abort());
  for (const [tab, seen] of [
    ['store', page.getByRole('region', { name: 'Memory' })],
    ['cardinality', page.getByRole('region', { name: 'Metrics', exact: true })],
  ] as const) {
    await page.goto(`/status?tab=${tab}&refresh=off`);
    await expect(page.locator('.note-critical')).toContainText('The server does not answer');
    await expect(page.getByText('afferent status')).toBeVisible();
    await page.unroute('**/api/afferent/v1/**');
    await page.getByRole('button', { name: 'Retry' }).click();
    await expect(seen).toBeVisible();
    await page.route('**/api/afferent/v1/**', (route) => route.abort());
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(page.locator('.note-warning', { hasText: 'does not answer' })).toBeVisible();
    await expect(seen).toBeVisible();
  }
});
