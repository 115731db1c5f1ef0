/** The dashboard in a real browser on what real Celery workers do: seen live, filtered, in the past, and through a kill. */
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complaintsOf, type Opened, openBrowser, openPage } from '../support/browser.ts';
import { CeleryApp, type Published } from '../support/celery-app.ts';
import { Program } from '../support/program.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

const HOSTILE = '<img src=x onerror="hacked=1"><script>hacked=1</script>';

let database: Fresh;
let vhost: Fresh;
let app: CeleryApp;
let ids: Published;
let program: Program;
let browser: Browser;
let url: string;
let stopSecond: () => Promise<void>;

const start = (port: string | number = 0): Program =>
  new Program({ broker: vhost.url, database: database.url, routingKey: '#', port });

async function open(path: string, options = {}): Promise<Opened & AsyncDisposable> {
  const opened = await openPage(browser, url + path, options);
  return { ...opened, [Symbol.asyncDispose]: () => opened.page.context().close() };
}

const rows = (page: Page): Locator => page.locator('tbody tr:not(.space)');
const shown = (locator: Locator): Promise<void> => locator.first().waitFor();

/** Asks until a list has a row, snapshot after snapshot; resolves with the moment of the list. */
async function listed(query: string): Promise<number> {
  for (;;) {
    const from = program.lines.length;
    const { items, as_of } = (await program.get(`/api/tasks?${query}`)) as {
      items: object[];
      as_of: { taken_at: number };
    };
    if (items.length > 0) return as_of.taken_at;
    await program.until('another snapshot', ({ msg }) => msg === 'snapshot', from);
  }
}

beforeAll(async () => {
  [database, vhost] = await Promise.all([freshDatabase(), freshVhost()]);
  program = start();
  await program.ready();
  url = String((await program.until('serving', ({ msg }) => msg === 'serving'))['url']);
  app = new CeleryApp(vhost.url);
  await app.startWorker('w1@test');
  stopSecond = await app.startWorker('w2@test');
  ids = await app.publish();
  await app.call('fail', HOSTILE);
  await listed(`q=${encodeURIComponent('exception:"*hacked*"')}`);
  for (const id of [ids.chord.body, ids.retry, ids.failure]) await listed(`uuid=${id}&state=SUCCESS,FAILURE`);
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await app?.[Symbol.asyncDispose]();
  await program?.[Symbol.asyncDispose]();
  await vhost?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

/** What a page has to show of what the workers did. */
const PAGES: readonly (readonly [name: string, path: () => string, shows: readonly string[]])[] = [
  ['overview', () => '/', ['app.add', 'Latest failures', 'Tasks per minute by state']],
  ['tasks', () => '/tasks', ['app.second_try', 'app.progress', 'REVOKED', 'FAILURE']],
  ['a task', () => `/task?uuid=${ids.success}`, ['tuple', 'y: ', 'run 1 on w', 'task-succeeded', 'completes run 1']],
  ['a failure', () => `/task?uuid=${ids.failure}`, ['Traceback (most recent call last)', 'ValueError: no good']],
  ['a retry', () => `/task?uuid=${ids.retry}`, ['run 2', 'RETRY', "'at last'"]],
  ['a chord', () => `/task?uuid=${ids.chord.body}`, ['Workflow', 'app.total', 'celery.chord_unlock']],
  ['workers', () => '/workers', ['w1@test', 'w2@test', 'py-celery']],
  ['a worker', () => '/worker?hostname=w1%40test', ['ONLINE', 'Latest tasks', 'History', 'py-celery']],
  ['history', () => '/history?from=-1h', ['Finished', 'app.add', 'Workers', 'Failed']],
  ['system', () => '/system', ['RabbitMQ', 'task events are on at w1@test, w2@test', 'PostgreSQL']],
];

describe.each(PAGES)('%s', (name, path, shows) => {
  test.each(['light', 'dark'] as const)('shows what the workers did, without a fault, %s', async (colorScheme) => {
    await using opened = await open(path(), { colorScheme });
    const { page, faults } = opened;
    for (const text of shows) await shown(page.getByText(text));
    expect(await complaintsOf(page)).toEqual([]);
    expect([name, faults]).toEqual([name, { errors: [], elsewhere: [] }]);
    expect(await page.evaluate('typeof hacked')).toBe('undefined');
  });
});

test('what a worker says of a hostile argument is shown as the text that it is', async () => {
  await using opened = await open(`/tasks?q=${encodeURIComponent('name:app.fail exception:"*hacked*"')}`);
  const { page } = opened;
  await rows(page).locator('a').first().click();
  await shown(page.locator('pre.traceback', { hasText: `ValueError: ${HOSTILE}` }));
  expect(await page.locator('.value .text').first().textContent()).toContain(HOSTILE);
  expect(await page.evaluate('typeof hacked')).toBe('undefined');
});

test('a task is seen to run and to end; while paused nothing moves; the past shows it as it was', async () => {
  await using opened = await open('/tasks?q=name%3Aapp.sleep');
  const { page } = opened;
  await shown(rows(page));
  await app.call('sleep', 4);
  await shown(rows(page).first().getByText('STARTED'));
  const then = await listed('name=app.sleep&state=STARTED');
  await shown(rows(page).first().getByText('SUCCESS'));
  await page.keyboard.press('p');
  await shown(page.getByRole('button', { name: 'Paused' }));
  const before = await rows(page).count();
  await app.call('sleep', 0);
  await listed(`q=${encodeURIComponent('name:app.sleep runtime<1 state:SUCCESS')}`);
  expect(await rows(page).count()).toBe(before);
  await page.keyboard.press('p');
  await rows(page).nth(before).waitFor();
  await page.goto(`${url}/tasks?q=name%3Aapp.sleep&at=${then}`);
  await shown(page.getByText('As it was at'));
  await shown(rows(page).first().getByText('STARTED'));
});

test('a filter finds the task, and the URL brings it back', async () => {
  await using opened = await open('/tasks');
  const { page } = opened;
  await shown(rows(page));
  await page.getByRole('combobox', { name: 'Filter' }).fill('name:app.second_try retries>0');
  await page.keyboard.press('Enter');
  await page.waitForURL(/second_try/);
  await page.locator('table[aria-busy="false"]').waitFor();
  expect(await rows(page).count()).toBe(1);
  await page.reload();
  await shown(rows(page).filter({ hasText: 'app.second_try' }));
  expect(await page.getByRole('combobox', { name: 'Filter' }).inputValue()).toBe('name:app.second_try retries>0');
  expect(await rows(page).count()).toBe(1);
});

test('a worker that says goodbye is seen to go, in its history and in what differs', async () => {
  await using opened = await open('/worker?hostname=w2%40test');
  const { page } = opened;
  await shown(page.locator('h1 .state', { hasText: 'ONLINE' }));
  await stopSecond();
  await shown(page.locator('h1 .state', { hasText: 'OFFLINE' }));
  await shown(page.locator('section', { hasText: 'History' }).getByRole('cell', { name: 'said goodbye' }));
  await page.goto(`${url}/history?from=-2m`);
  const row = page.locator('tr', { hasText: 'w2@test' });
  await shown(row.getByRole('cell', { name: 'said goodbye' }));
});

/** Pixels of a chart that have the colour of a gap. */
const SHADED = `(() => {
  const canvas = document.querySelector('.chart canvas');
  const probe = document.body.appendChild(document.createElement('span'));
  probe.style.color = 'var(--retry)';
  const [red, green, blue] = getComputedStyle(probe).color.match(/[0-9.]+/g).map(Number);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let n = 0; n < data.length; n += 4) {
    const isNear = [red, green, blue].every((part, at) => Math.abs(part - data[n + at]) < 4);
    if (isNear && data[n + 3] > 56 && data[n + 3] < 72) found++;
  }
  return found;
})()`;

test('a killed server is noticed and comes back; the time without it is shaded on the charts', async () => {
  await using opened = await open('/?span=15m');
  const { page } = opened;
  await shown(page.locator('.chart canvas'));
  expect(await page.evaluate(SHADED)).toBe(0);
  await program.kill();
  await shown(page.getByText('Disconnected.'));
  await app.call('add', 1).catch(() => {});
  program = start(new URL(url).port);
  await program.ready();
  await page.getByText('Disconnected.').waitFor({ state: 'detached' });
  await page.reload();
  await shown(page.getByText('shaded: events may have been missed', { exact: false }));
  await expect.poll(() => page.evaluate(SHADED), { timeout: 20_000 }).toBeGreaterThan(100);
  await page.getByRole('link', { name: /gaps?$/ }).click();
  await shown(page.getByRole('cell', { name: 'recorder-down' }));
});
