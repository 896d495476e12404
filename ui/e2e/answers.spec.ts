// Answers that a small server does not give by itself, played from a fixture.
import { expect, explore, test } from './page';

const HISTOGRAM = {
  count: '42',
  sum: '12.5',
  buckets: [
    [3, '-0.001', '0.001', '2'],
    [0, '0.1', '0.2', '30'],
    [0, '0.2', '0.4', '10'],
  ],
};

test('native histograms, warnings and infos are shown', async ({ page }) => {
  const time = 1767225600;
  await page.route('**/api/v1/query', (route) =>
    route.fulfill({
      json: {
        status: 'success',
        warnings: ['PromQL warning: bucket label "le" is missing'],
        infos: ['PromQL info: metric might not be a counter'],
        data: {
          resultType: 'vector',
          result: [
            { metric: { __name__: 'latency', job: 'a' }, histogram: [time, HISTOGRAM] },
            { metric: { __name__: 'latency', job: 'b' }, value: [time, 'NaN'] },
          ],
        },
      },
    }),
  );
  await page.route('**/api/v1/query_range', (route) =>
    route.fulfill({
      json: {
        status: 'success',
        data: { resultType: 'matrix', result: [{ metric: {}, histograms: [[time, HISTOGRAM]] }] },
      },
    }),
  );
  await page.goto(explore({ A: 'latency' }));
  await expect(page.locator('.note-info')).toContainText('1 series is a native histogram');
  await page.getByRole('button', { name: 'Show table' }).click();
  await expect(page.locator('.histogram')).toContainText('count 42, sum 12.5, 3 buckets');
  await expect(page.locator('.histogram-bars i')).toHaveCount(3);
  await expect(page.locator('.note-warning')).toContainText('A: bucket label "le" is missing');
  await expect(page.locator('.note-info')).toContainText('A: metric might not be a counter');
  await expect(page.locator('.result tbody tr', { hasText: 'NaN' })).toBeVisible();
});

test('gaps stay gaps', async ({ page }) => {
  await page.route('**/api/v1/query_range', (route) => {
    const form = new URLSearchParams(route.request().postData() ?? '');
    const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(form.get(name))) as [
      number,
      number,
      number,
    ];
    const count = Math.floor((end - start) / step) + 1;
    const values = Array.from({ length: count }, (_, i) => [start + i * step, '5']);
    const kept = values.filter((_, i) => i < count * 0.4 || i > count * 0.6);
    return route.fulfill({
      json: { status: 'success', data: { resultType: 'matrix', result: [{ metric: { a: 'b' }, values: kept }] } },
    });
  });
  await page.goto(explore({ A: 'x' }));
  await expect(page.locator('figure.chart canvas')).toBeVisible();
  const ink = () =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('figure.chart canvas');
      const over = document.querySelector<HTMLElement>('.u-over');
      const context = canvas?.getContext('2d');
      if (!canvas || !over || !context) return [];
      return [0.2, 0.5, 0.8].map((part) => {
        const x = Math.round(over.offsetLeft + over.clientWidth * part);
        const { data } = context.getImageData(x, 0, 1, canvas.height);
        let coloured = 0;
        for (let i = 0; i < data.length; i += 4) {
          const spread =
            Math.max(data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0) -
            Math.min(data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0);
          if ((data[i + 3] ?? 0) > 0 && spread > 30) coloured++;
        }
        return coloured > 0;
      });
    });
  await expect.poll(ink).toEqual([true, false, true]);
});
