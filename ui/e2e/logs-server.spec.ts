// Logs against the real server: lines are pushed as Loki's clients push them, and found, counted, followed and taken away.
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { expect, parameter, test } from './page';

const SERVICE = 'e2e-shop';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const QUERY = `{service_name="${SERVICE}"}`;
const logs = (parameters: Record<string, string>) =>
  `/logs?${new URLSearchParams({ from: 'now-1h', to: 'now', ...parameters })}`;
const editor = (page: Page) => page.locator('[data-editor="logs"] .cm-content');
const rows = (page: Page) => page.locator('.line');
const count = (page: Page) => page.locator('.logs-count');

async function push(values: [number, string][]) {
  const stamped = values.map(([ms, line]) => [`${ms}000000`, line]);
  const body = { streams: [{ stream: { service_name: SERVICE, region: 'eu' }, values: stamped }] };
  const answer = await fetch(`${process.env.AFFERENT_URL}/loki/api/v1/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(204);
}

function line(n: number): string {
  const level = n % 5 === 0 ? 'ERROR' : 'INFO';
  const message = n % 5 === 0 ? 'connection reset by peer' : `order ${n} placed`;
  const trace = n === 20 ? { trace_id: TRACE } : {};
  return JSON.stringify({ level, message, status: n % 5 === 0 ? 500 : 200, user: { id: n }, ...trace });
}

async function type(page: Page, text: string) {
  await editor(page).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Control+Enter');
}

test.beforeAll(async () => {
  const end = Date.now() - 60_000;
  await push(Array.from({ length: 50 }, (_, n): [number, string] => [end - 50_000 + n * 1000, line(n)]));
});

test('lines are found, counted by level, and their fields have values that filter', async ({ page }) => {
  await page.goto(logs({ q: QUERY }));
  await expect(count(page)).toContainText(/^50 lines/);
  await expect(page.getByRole('group', { name: 'Levels' })).toContainText('Error');
  await expect(page.locator('.logs-bars canvas')).toBeVisible();
  await page.locator('.field-name', { hasText: 'status' }).click();
  await expect(page.getByRole('list', { name: 'Top values of status' })).toContainText('20.0 %');
  await page.getByRole('button', { name: 'Keep status 500' }).click();
  await expect.poll(() => parameter(page, 'q')).toBe(`${QUERY} | json | status="500"`);
  await expect(count(page)).toContainText(/^10 lines/);
});

test('a search in KQL finds, filters, counts and is shared by its address', async ({ page }) => {
  await page.goto(logs({ q: QUERY }));
  await expect(count(page)).toContainText(/^50 lines/);
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  await expect.poll(() => parameter(page, 'lang')).toBe('kql');
  expect(parameter(page, 'q')).toBe(`service_name:"${SERVICE}"`);
  await expect(count(page)).toContainText(/^50 lines/);
  await type(page, `service_name:${SERVICE} and level:ERROR and "connection reset" and user.id < 25`);
  await expect(count(page)).toContainText(/^5 lines/);
  await expect(rows(page).first().locator('mark').first()).toHaveText('connection reset');
  const address = page.url();
  await page.goto('/status');
  await page.goto(address);
  await expect(count(page)).toContainText(/^5 lines/);
  await expect(page.getByRole('group', { name: 'Levels' })).toContainText('Error');
  // A click adds to the search.
  await page.locator('.field-name', { hasText: 'user_id' }).click();
  await page.getByRole('button', { name: 'Leave out user_id 20', exact: true }).click();
  await expect.poll(() => parameter(page, 'q')).toMatch(/ and not user_id:"20"$/);
  await expect(count(page)).toContainText(/^4 lines/);
  // And back to LogQL, with the same lines.
  await page.getByRole('button', { name: 'LogQL', exact: true }).click();
  await expect.poll(() => parameter(page, 'q')).toMatch(/^\{\} \| kql "/);
  await expect(count(page)).toContainText(/^4 lines/);
});

test('names of fields are completed, and an error shows its place in the search', async ({ page }) => {
  await page.goto(logs({ q: '', lang: 'kql' }));
  await expect(rows(page).first()).toBeVisible();
  await editor(page).click();
  await page.keyboard.type('service_na');
  await expect(page.locator('.cm-tooltip-autocomplete')).toContainText('service_name');
  await type(page, 'level:ERROR and (status:500');
  const problem = page.locator('.query-error');
  await expect(problem).toContainText('column 17: this "(" is never closed');
  await expect(problem.locator('.query-error-text')).toHaveText('level:ERROR and (status:500');
});

test('a line leads to its trace and to its neighbours', async ({ page }) => {
  await page.goto(logs({ q: `${QUERY} |= "${TRACE}"` }));
  await expect(count(page)).toContainText(/^1 line/);
  await rows(page).first().locator('button').click();
  const detail = page.locator('.detail');
  await expect(detail.locator('tr', { hasText: 'user_id' })).toContainText('20');
  await detail.getByRole('button', { name: 'Surrounding lines' }).click();
  const around = page.getByRole('dialog', { name: 'Surrounding lines' });
  await expect(around.locator('li[aria-current]')).toContainText('connection reset');
  await expect(around.locator('li')).toHaveCount(41);
  await page.keyboard.press('Escape');
  await detail.getByRole('link', { name: 'Lines of this trace' }).click();
  await expect.poll(() => parameter(page, 'q')).toContain(TRACE);
  await expect(count(page)).toContainText(/^1 line/);
});

test('every line of a search becomes a file', async ({ page }) => {
  await page.addInitScript(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));
  await page.goto(logs({ q: `service_name:${SERVICE} and level:ERROR`, lang: 'kql' }));
  await expect(count(page)).toContainText(/^10 lines/);
  await page.getByRole('button', { name: 'Export' }).click();
  const loading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'NDJSON' }).click();
  const text = await readFile(await (await loading).path(), 'utf8');
  const lines = text.trim().split('\n');
  expect(lines).toHaveLength(10);
  expect(JSON.parse(lines[0] ?? '').line).toContain('connection reset');
});

test('lines are followed as they come', async ({ page }) => {
  await page.goto(logs({ q: `service_name:${SERVICE} and fresh`, lang: 'kql', live: '1' }));
  await expect(page.locator('.logs-tools')).toContainText('Following');
  await push([
    [Date.now(), JSON.stringify({ level: 'WARN', message: 'a fresh line' })],
    [Date.now(), JSON.stringify({ level: 'WARN', message: 'another one' })],
  ]);
  await expect(rows(page).first()).toContainText('a fresh line');
  await expect(rows(page)).toHaveCount(1);
});

test('the own logs of the server are found, too', async ({ page }) => {
  await page.goto(logs({ q: '{service_name="afferent"} |= "log store opened"' }));
  await expect(rows(page).first()).toBeVisible();
});
