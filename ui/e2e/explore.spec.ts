// Asking, looking, zooming, sharing.
import { CPU, chart, editor, expect, explore, hasInk, legend, parameter, test } from './page';

/** A completion is taken only after it could have been seen; sooner, Enter means the query as typed. */
const SEEN = 150;

test('a query is typed with completion and run with Enter', async ({ page }) => {
  await page.goto('/explore');
  await editor(page).click();
  await page.keyboard.type('node_cpu_sec');
  const list = page.locator('.cm-tooltip-autocomplete');
  await expect(list).toContainText('node_cpu_seconds_total');
  await page.waitForTimeout(SEEN);
  await page.keyboard.press('Enter');
  await expect(editor(page)).toHaveText('node_cpu_seconds_total');
  await page.keyboard.type('{mode="us');
  await expect(list).toContainText('user');
  await page.waitForTimeout(SEEN);
  await page.keyboard.press('Enter');
  await expect(editor(page)).toHaveText('node_cpu_seconds_total{mode="user"}');
  await expect(list).toBeHidden();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/A=node_cpu_seconds_total/);
  await expect(legend(page)).toContainText(/\d+ series/);
});

test('Shift+Enter breaks the line, and errors are underlined while typing', async ({ page }) => {
  await page.goto('/explore');
  await editor(page).click();
  await page.keyboard.type('sum(up');
  await page.keyboard.press('Escape');
  await editor(page).click();
  await page.keyboard.press('End');
  await page.keyboard.press('Shift+Enter');
  await expect(editor(page).locator('.cm-line')).toHaveCount(2);
  expect(parameter(page, 'A')).toBeNull();
  await editor(page).fill('sum(foo bar)');
  await expect(page.locator('.cm-lintRange-error').first()).toBeVisible();
});

test('Explain shows where the time of a query goes', async ({ page }) => {
  await page.goto(explore({ A: CPU, from: 'now-1m' }));
  await page.getByRole('button', { name: 'Explain' }).click();
  const panel = page.getByRole('region', { name: 'What the query does' });
  await expect(panel).toContainText('aggregation');
  await expect(panel).toContainText(/series in memory/);
  await expect(panel.getByRole('row')).toHaveCount(4);
  await page.getByRole('button', { name: 'Explain' }).click();
  await expect(panel).toBeHidden();
});

test('a refresh asks for new steps alone', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/api/v1/query_range')) asked.push(request.postData() ?? '');
  });
  await page.goto(explore({ A: CPU, from: 'now-15m', refresh: '5s' }));
  await expect(legend(page)).toContainText(/\d+ series/);
  await expect.poll(() => asked.some((body) => body.includes('since=')), { timeout: 30_000 }).toBe(true);
  await expect.poll(() => hasInk(page)).toBe(true);
  await expect(legend(page)).toContainText(/\d+ series/);
});

test('dragging zooms the time range in the URL, and double click goes back', async ({ page }) => {
  await page.goto(explore({ A: CPU, from: 'now-1m' }));
  const plot = chart(page).locator('.u-over');
  await expect(plot).toBeVisible();
  await expect.poll(() => hasInk(page)).toBe(true);
  const box = await plot.boundingBox();
  if (!box) throw new Error('no plot');
  await page.mouse.move(box.x + box.width * 0.7, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.95, box.y + 110, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=\d{13}&to=\d{13}/);
  const width = Number(parameter(page, 'to')) - Number(parameter(page, 'from'));
  expect(width / 1000).toBeCloseTo(15, -1);
  await plot.dblclick({ position: { x: 60, y: 60 } });
  await expect(page).toHaveURL(/from=now-1m&to=now/);
});

test('a zoom into nothing offers the way back', async ({ page }) => {
  // Two hours, of which a server just started has the last minutes at most.
  await page.goto(explore({ A: 'node_load1', from: 'now-2h' }));
  const plot = chart(page).locator('.u-over');
  const box = await plot.boundingBox();
  if (!box) throw new Error('no plot');
  await page.mouse.move(box.x + 20, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + 60, box.y + 110, { steps: 5 });
  await page.mouse.up();
  await expect(page.getByRole('heading', { name: 'No series matched A' })).toBeVisible();
  await page.getByRole('button', { name: 'Back to the range before' }).click();
  await expect(page).toHaveURL(/from=now-2h&to=now/);
  await expect(chart(page)).toBeVisible();
});

test('a shared URL restores queries, range, style, legend and hidden series', async ({ page, context }) => {
  await page.goto(explore({ A: CPU, 'A.legend': 'mode {{mode}}' }));
  await legend(page).getByRole('button', { name: 'mode user' }).click();
  await page.getByRole('button', { name: 'Stacked' }).click();
  await page.getByRole('button', { name: 'Add query' }).click();
  await editor(page, 'B').fill('node_load1');
  await page.getByRole('region', { name: 'Query B' }).getByRole('button', { name: 'Run' }).click();
  await expect(page).toHaveURL(/B=node_load1/);
  const other = await context.newPage();
  await other.goto(page.url());
  await expect(editor(other, 'A')).toHaveText(CPU);
  await expect(editor(other, 'B')).toHaveText('node_load1');
  await expect(legend(other).getByRole('button', { name: 'mode user' })).toHaveAttribute('aria-pressed', 'true');
  await expect(legend(other).getByRole('button', { name: 'mode system' })).toHaveAttribute('aria-pressed', 'false');
  await expect(other.getByRole('button', { name: 'Stacked' })).toHaveAttribute('aria-pressed', 'true');
});

test('queries of different units get charts of their own which share the crosshair', async ({ page }) => {
  await page.goto(explore({ A: 'node_memory_MemAvailable_bytes', B: 'node_load1' }));
  await expect(page.locator('figure.chart')).toHaveCount(2);
  await page
    .locator('.u-over')
    .first()
    .hover({ position: { x: 500, y: 100 } });
  await expect(page.locator('.tooltip')).toHaveCount(1);
  const lines = page.locator('.u-cursor-x');
  const plots = page.locator('.u-over');
  const share = async (i: number) => {
    const [line, plot] = await Promise.all([lines.nth(i).boundingBox(), plots.nth(i).boundingBox()]);
    return line && plot ? (line.x - plot.x) / plot.width : -1;
  };
  expect(await share(0)).toBeGreaterThan(0.1);
  expect(await share(1)).toBeCloseTo(await share(0), 1);
});

test('the tooltip is sorted and does not cover the point', async ({ page }) => {
  await page.goto(explore({ A: CPU, from: 'now-2m' }));
  const plot = chart(page).locator('.u-over');
  await expect.poll(() => hasInk(page)).toBe(true);
  const area = await plot.boundingBox();
  if (!area) throw new Error('no plot');
  for (const part of [0.05, 0.45, 0.6, 0.98]) {
    const x = area.x + area.width * part;
    await page.mouse.move(x, area.y + 120);
    await expect(page.locator('.tooltip')).toBeVisible();
    const box = await page.locator('.tooltip').boundingBox();
    if (!box) throw new Error('no tooltip');
    expect(x < box.x || x > box.x + box.width).toBe(true);
    expect(box.x).toBeGreaterThanOrEqual(0);
  }
  const values = await page.locator('.tooltip-row .number').allTextContents();
  const numbers = values.map(Number.parseFloat);
  expect(numbers).toEqual([...numbers].sort((a, b) => b - a));
});

test('the table tab lists, sorts, filters and copies', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(explore({ A: 'node_cpu_seconds_total' }));
  await page.getByRole('button', { name: 'Table' }).click();
  await expect(page).toHaveURL(/tab=table/);
  const table = page.locator('.result table');
  await expect(table.locator('tbody tr').first()).toBeVisible();
  await table.getByRole('button', { name: 'Value' }).click();
  await expect(table.locator('th[aria-sort="descending"]')).toHaveText('Value');
  const cells = (await table.locator('td.number').allTextContents()).map((t) => Number(t.replaceAll(',', '')));
  expect(cells).toEqual([...cells].sort((a, b) => b - a));
  await page.getByRole('textbox', { name: 'Filter rows of A' }).fill('mode=user');
  for (const row of await table.locator('tbody tr').all()) await expect(row).toContainText('user');
  await page.getByRole('button', { name: 'Copy CSV' }).click();
  const csv = await page.evaluate(() => navigator.clipboard.readText());
  expect(csv.split('\r\n')[0]).toMatch(/^time,__name__,.*mode.*,value$/);
  expect(csv).not.toContain('idle');
  await expect(table.locator('tbody a').first()).toHaveAttribute('href', /\/explore\?.*A=node_cpu_seconds_total/);
});

test('a range vector and a scalar have their tables', async ({ page }) => {
  await page.goto(explore({ A: 'node_load1[1m]', B: 'scalar(node_load1)', tab: 'table' }));
  await expect(page.getByRole('region', { name: 'Rows of A' }).locator('tbody tr').first()).toContainText('node_load1');
  await expect(page.getByRole('region', { name: 'Rows of B' }).locator('tbody tr')).toHaveCount(1);
});

test('a parse error is underlined where it is, and the others are still drawn', async ({ page }) => {
  await page.goto(explore({ A: 'sum(foo bar)', B: 'node_load1' }));
  const error = page.locator('.query-error');
  await expect(error).toContainText('The query is not valid');
  await expect(error.locator('.query-error-mark')).toHaveText('bar');
  await expect(error).toContainText(/Line 1, column 9: parse error/);
  await expect(chart(page)).toBeVisible();
  await error.getByRole('button', { name: 'Go to the position' }).click();
  await expect(editor(page)).toBeFocused();
});

test('the position and the cursor are kept while the editor is still on its way', async ({ page }) => {
  let deliver = () => {};
  const held = new Promise<void>((resolve) => {
    deliver = resolve;
  });
  await page.route('**/PromqlEditor*.js', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(explore({ A: 'sum(foo bar)' }));
  await page.locator('.query-error').getByRole('button', { name: 'Go to the position' }).click();
  const plain = page.locator('[data-editor="A"] textarea');
  await expect(plain).toBeFocused();
  await page.keyboard.type('x');
  deliver();
  await expect(editor(page)).toBeFocused();
  await expect(plain).toHaveCount(0);
  await page.keyboard.type('y');
  await expect(editor(page)).toHaveText('sum(foo xybar)');
});

test('nothing found says so, and too many series are cut', async ({ page }) => {
  await page.goto(explore({ A: 'there_is_no_such_metric' }));
  await expect(page.getByRole('heading', { name: 'No series matched A' })).toBeVisible();
  await page.goto(explore({ A: '{__name__=~"node_.+|go_.+|process_.+|afferent_.+"}' }));
  const cut = page.locator('.note', { hasText: 'series are drawn' });
  await expect(cut).toContainText(/100 of [\d,]+ series are drawn/);
  await cut.getByRole('button', { name: /Draw all/ }).click();
  await expect(cut).toContainText(/All [\d,]+ series are drawn/);
});

test('a lost server leaves the picture and says how old it is', async ({ page }) => {
  await page.goto(explore({ A: CPU }));
  await expect.poll(() => hasInk(page)).toBe(true);
  await page.route('**/api/v1/query_range', (route) => route.abort());
  await page.getByRole('button', { name: 'Refresh', exact: true }).click();
  await expect(page.locator('.note-warning')).toContainText(/does not answer.*(ago|just now)/);
  expect(await hasInk(page)).toBe(true);
  await page.unroute('**/api/v1/query_range');
  await page.getByRole('button', { name: 'Retry' }).click();
  await expect(page.locator('.note-warning')).toHaveCount(0);
});

test('metrics are found by name, and files are written', async ({ page }) => {
  await page.goto(explore({}));
  await page.getByRole('button', { name: 'Metrics', exact: true }).click();
  await page.getByRole('textbox', { name: 'Find a metric' }).fill('memavailable');
  await page.getByRole('button', { name: /^node_memory_MemAvailable_bytes/ }).click();
  await expect(page).toHaveURL(/A=node_memory_MemAvailable_bytes/);
  await expect.poll(() => hasInk(page)).toBe(true);
  for (const [button, name] of [
    ['CSV', 'explore-bytes.csv'],
    ['PNG', 'explore-bytes.png'],
  ] as const) {
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('.toolbar').getByRole('button', { name: button }).click(),
    ]);
    expect(file.suggestedFilename()).toBe(name);
  }
});

test('links that Prometheus writes open here', async ({ page }) => {
  await page.goto('/graph?g0.expr=node_load1&g0.tab=0&g0.range_input=30m');
  await expect(page).toHaveURL(/\/explore\?A=node_load1&from=now-30m&to=now/);
  await expect(chart(page)).toBeVisible();
});
