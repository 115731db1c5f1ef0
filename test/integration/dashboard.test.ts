/** The dashboard in a real browser, on the built program with a real broker and database behind it. */
import pg from 'pg';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openResults } from '../../src/library/results.ts';
import { complaintsOf, type Opened, openBrowser, openPage } from '../support/browser.ts';
import { messagesOf, openLoad, publishAll } from '../support/load.ts';
import { Program } from '../support/program.ts';
import { openSender, type Sender } from '../support/receiving.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

/** What must be shown as the text that it is, and do nothing. */
const HOSTILE = `<img src=x onerror="hacked=1"><script>hacked=1</script>\u202e\u0007'"&`;
const SHOWN = `<img src=x onerror="hacked=1"><script>hacked=1</script>⟨U+202E⟩␇'"&`;
/** The same as an id: the HTTP server refuses paths with control characters. */
const HOSTILE_ID = HOSTILE.replace('\u0007', '');
const SIMULATED = 1500;

let database: Fresh;
let vhost: Fresh;
let program: Program;
let browser: Browser;
let sender: Sender;
let url: string;
let clock = 0;

const seconds = (): number => Date.now() / 1000;

/** Publishes an event of the worker w1@vm, now. */
async function tell(type: string, fields: object = {}): Promise<void> {
  clock += 1;
  const event = { type, hostname: 'w1@vm', pid: 7, clock, timestamp: seconds(), utcoffset: 0, ...fields };
  await sender.send([event], type.replace('-', '.'));
}

/** A task from its reception on, up to what came of it. */
async function tellTask(uuid: string, fields: object, end: string | null, said: object = {}): Promise<void> {
  await tell('task-received', {
    uuid,
    args: '()',
    kwargs: '{}',
    retries: 0,
    root_id: uuid,
    parent_id: null,
    ...fields,
  });
  await tell('task-started', { uuid });
  if (end) await tell(end, { uuid, runtime: 0.25, ...said });
}

/** When a snapshot shows this task in this state. */
async function pictured(uuid: string, state: string): Promise<number> {
  for (;;) {
    const { items, as_of } = (await program.get(`/api/tasks?uuid=${uuid}&state=${state}`)) as {
      items: object[];
      as_of: { taken_at: number };
    };
    if (items.length > 0) return as_of.taken_at;
    await program.until('another snapshot', ({ msg }) => msg === 'snapshot', program.lines.length);
  }
}

beforeAll(async () => {
  database = await freshDatabase();
  vhost = await freshVhost();
  program = new Program({ broker: vhost.url, database: database.url });
  await program.ready();
  url = String((await program.until('serving', ({ msg }) => msg === 'serving'))['url']);
  const load = await openLoad(vhost.url);
  await publishAll(load, messagesOf({ count: SIMULATED, failures: 0.2 }));
  await load[Symbol.asyncDispose]();
  sender = await openSender(vhost.url);
  await tell('worker-online', { freq: 2, sw_ident: 'py-celery', sw_ver: '5.6.2', sw_sys: 'Linux' });
  await tellTask('good-1', { name: 'shop.pay', args: "(1, {'to': ['a', 'b']}, 'x...')" }, 'task-succeeded', {
    result: "{'ok': True}",
  });
  await tellTask('child-1', { name: 'shop.mail', root_id: 'good-1', parent_id: 'good-1' }, 'task-failed', {
    exception: "ValueError('no')",
    traceback: 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: no\n',
  });
  await tellTask(
    HOSTILE_ID,
    { name: HOSTILE, args: HOSTILE, kwargs: `{'a': '${HOSTILE}'}`, hostname: HOSTILE_ID },
    'task-failed',
    {
      exception: HOSTILE,
      traceback: HOSTILE,
      hostname: HOSTILE_ID,
    },
  );
  await tell('worker-heartbeat', { hostname: HOSTILE_ID, freq: 2, sw_ident: HOSTILE, active: 1, processed: 2 });
  await sender.send([Buffer.from(`${HOSTILE} no json`)], 'task.multi');
  await pictured('child-1', 'FAILURE');
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await sender?.[Symbol.asyncDispose]();
  await program?.[Symbol.asyncDispose]();
  await vhost?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

const PAGES: readonly (readonly [name: string, path: string, shows: string])[] = [
  ['overview', '/', 'Latest failures'],
  ['tasks', '/tasks', 'shop.pay'],
  ['task', '/task?uuid=good-1', 'Events, and what each did'],
  ['failed task', '/task?uuid=child-1', 'Traceback (most recent call last)'],
  ['hostile task', `/task?uuid=${encodeURIComponent(HOSTILE_ID)}`, 'Events, and what each did'],
  ['unknown task', '/task?uuid=nobody', 'Ids that begin alike'],
  ['workers', '/workers', 'w1@vm'],
  ['worker', '/worker?hostname=w1%40vm', 'Latest tasks'],
  ['hostile worker', `/worker?hostname=${encodeURIComponent(HOSTILE_ID)}`, 'Latest tasks'],
  ['history', '/history?from=-1h', 'compared with'],
  ['system', '/system', 'Dead letters'],
  ['the past', '/tasks?at=-1s', 'As it was at'],
];

async function open(path: string, options = {}): Promise<Opened & AsyncDisposable> {
  const opened = await openPage(browser, url + path, options);
  return { ...opened, [Symbol.asyncDispose]: () => opened.page.context().close() };
}

/** The rows in sight, without the header. */
const rows = (page: Page): Locator => page.locator('tbody tr:not(.space)');

async function shown(locator: Locator): Promise<void> {
  await locator.first().waitFor();
}

describe.each(PAGES)('%s', (_name, path, shows) => {
  test.each(['light', 'dark'] as const)('says what it is about, without a fault, %s', async (colorScheme) => {
    await using opened = await open(path, { colorScheme });
    const { page, faults } = opened;
    await shown(page.getByText(shows));
    expect(await complaintsOf(page)).toEqual([]);
    // The browser tells of every answer that is no success.
    const errors = faults.errors.filter((error) => !(path.includes('nobody') && error.includes('status of 404')));
    expect({ ...faults, errors }).toEqual({ errors: [], elsewhere: [] });
    expect(await page.evaluate('typeof hacked')).toBe('undefined');
  });

  test('fits a telephone', async () => {
    await using opened = await open(path, { viewport: { width: 360, height: 740 } });
    await shown(opened.page.getByText(shows));
    expect(await opened.page.evaluate('document.scrollingElement.scrollWidth')).toBeLessThanOrEqual(360);
  });
});

test('what workers say is shown as the text that it is', async () => {
  await using tasks = await open(`/tasks?q=${encodeURIComponent('name:"<img*"')}`);
  await shown(rows(tasks.page));
  expect(await rows(tasks.page).count()).toBe(1);
  expect(await rows(tasks.page).locator('td').nth(1).locator('span').getAttribute('title')).toBe(SHOWN);
  await rows(tasks.page).locator('a').first().click();
  await shown(tasks.page.getByRole('heading', { name: SHOWN }));
  await using history = await open('/history?from=-1h');
  await shown(history.page.locator('.difference').getByTitle(SHOWN, { exact: true }));
  await using system = await open('/system');
  await system.page.locator('summary').first().click();
  await shown(system.page.getByText(`${SHOWN} no json`));
});

describe('tasks', () => {
  test('come and change by themselves, unless they are told to stand still', async () => {
    await using opened = await open('/tasks');
    const { page } = opened;
    await tellTask('live-1', { name: 'live.first' }, null);
    const row = rows(page).filter({ hasText: 'live.first' });
    await shown(row.getByText('STARTED'));
    await tell('task-succeeded', { uuid: 'live-1', result: "'done'", runtime: 1 });
    await shown(row.getByText('SUCCESS'));
    await page.keyboard.press('p');
    await shown(page.getByRole('button', { name: 'Paused' }));
    await tellTask('live-2', { name: 'live.second' }, 'task-succeeded');
    const before = await rows(page).allInnerTexts();
    await pictured('live-2', 'SUCCESS');
    // Whatever would have been asked for has been by now.
    await page.waitForResponse((response) => response.url().includes('/api/cluster'));
    await page.waitForResponse((response) => response.url().includes('/api/cluster'));
    expect(await rows(page).allInnerTexts()).toEqual(before);
    await page.getByRole('button', { name: 'Paused' }).click();
    await shown(rows(page).filter({ hasText: 'live.second' }));
  });

  test('are filtered by the language of the API, which says at which character it does not understand', async () => {
    await using opened = await open('/tasks');
    const { page } = opened;
    await shown(rows(page));
    await page.keyboard.press('/');
    await page.keyboard.type('sta');
    await shown(page.getByRole('option', { name: 'state:' }));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await shown(page.getByRole('option', { name: 'FAILURE' }));
    await page.keyboard.type('FAILURE');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\?q=state%3AFAILURE$/);
    await page.locator('table[aria-busy="false"]').waitFor();
    expect(new Set(await rows(page).locator('.state').allInnerTexts())).toEqual(new Set(['✕ FAILURE']));
    await page.getByRole('combobox', { name: 'Filter' }).fill('runtime>fast');
    await shown(page.locator('.wrong mark'));
    expect(await page.locator('.wrong mark').innerText()).toBe('f');
    expect(await page.locator('.wrong').innerText()).toContain('at character 9: expected after runtime>');
    expect(page.url()).toContain('state%3AFAILURE');
  });

  test('a URL holds everything, and so does the way back', async () => {
    const path = '/tasks?q=name%3Ashop.*&sort=name&order=asc&columns=state%2Cname%2Croot_id';
    await using opened = await open(path);
    const { page } = opened;
    await shown(rows(page));
    expect(await page.locator('thead th').allInnerTexts()).toEqual(['State', 'Name ↑', 'Root']);
    expect(await rows(page).locator('td:nth-child(2)').allInnerTexts()).toEqual(['shop.mail', 'shop.pay']);
    expect(await page.getByRole('combobox', { name: 'Filter' }).inputValue()).toBe('name:shop.*');
    await page.getByRole('button', { name: 'FAILURE' }).click();
    await page.waitForURL(/state=FAILURE/);
    await rows(page).nth(1).waitFor({ state: 'detached' });
    expect(await page.getByRole('link', { name: 'CSV' }).getAttribute('href')).toContain('state=FAILURE');
    await page.goBack();
    await rows(page).nth(1).waitFor();
    expect(page.url()).toBe(url + path);
  });

  test('by keyboard', async () => {
    await using opened = await open('/tasks?q=name%3Ashop.*&sort=name&order=asc');
    const { page } = opened;
    await shown(rows(page));
    for (const key of ['j', 'j', 'k', 'j']) await page.keyboard.press(key);
    expect(await page.locator('tr[aria-selected="true"]').innerText()).toContain('shop.pay');
    await page.keyboard.press('Enter');
    await shown(page.getByRole('heading', { name: 'shop.pay' }));
    await page.keyboard.press('Escape');
    await shown(rows(page).filter({ hasText: 'shop.mail' }));
  });

  test('of a long list only what is in sight is in the page', async () => {
    await using opened = await open('/tasks?sort=received&order=asc');
    const { page } = opened;
    await shown(rows(page));
    const total = ((await program.get('/api/tasks?limit=1')) as { total: { count: number } }).total.count;
    expect(total).toBeGreaterThan(SIMULATED);
    for (let last = ''; ; ) {
      await page.locator('.scroll').evaluate((element) => element.scrollTo(0, element.scrollHeight));
      const text = `${total.toLocaleString('en')} of`;
      if (await page.getByText(text).count()) break;
      await page
        .locator('.tasks > p')
        .filter({ hasNotText: last || 'nothing yet' })
        .waitFor();
      last = (await page.locator('.tasks > p').textContent()) ?? '';
    }
    expect(await rows(page).count()).toBeLessThan(100);
  });
});

test('a task tells its life, its values, its workflow and why it is so', async () => {
  await using opened = await open('/task?uuid=good-1');
  const { page } = opened;
  await shown(page.getByText('told at'));
  expect(await page.locator('.lanes').innerText()).toContain('run 1 on w1@vm');
  const args = page.locator('.panel').filter({ has: page.getByRole('heading', { name: 'Args', exact: true }) });
  expect(await args.innerText()).toMatch(/tuple 3 items\s+0: 1\s+1:\s+dict 1 item\s+to:\s+list 2 items\s+0: 'a'/);
  expect(await args.innerText()).toContain('cut short by the worker');
  await shown(page.getByText('The critical path, 2 tasks', { exact: false }));
  await page.locator('.flow a', { hasText: 'shop.mail' }).click();
  await shown(page.getByRole('heading', { name: 'shop.mail' }));
  expect(await page.locator('pre.traceback .last').innerText()).toBe('ValueError: no\n');
});

test('a result that the event cut is shown whole where it is stored, and where that is', async () => {
  await tellTask('cut-1', { name: 'shop.report' }, 'task-succeeded', { result: `'${HOSTILE} ...` });
  await pictured('cut-1', 'SUCCESS');
  await using results = await openResults(database.url, { schema: 'celerycam' });
  await results.store('cut-1', `${HOSTILE} ... and the end`);
  await using opened = await open('/task?uuid=cut-1');
  const result = opened.page.locator('.panel').filter({ has: opened.page.getByRole('heading', { name: 'Result' }) });
  await shown(result.getByText('whole, from celerycam.celery_taskmeta'));
  expect(await result.innerText()).toContain('... and the end');
  expect(await result.innerText()).not.toContain('cut short');
});

test('every page shows the past, and says so', async () => {
  await tellTask('past-1', { name: 'past.task' }, null);
  const then = await pictured('past-1', 'STARTED');
  await tell('task-succeeded', { uuid: 'past-1', result: '1', runtime: 2 });
  await pictured('past-1', 'SUCCESS');
  await using opened = await open(`/tasks?q=uuid%3Apast-1&at=${then}`);
  const { page } = opened;
  await shown(rows(page).getByText('STARTED'));
  await page.getByRole('link', { name: 'past.task' }).click();
  await shown(page.getByText('of the past', { exact: false }));
  await shown(page.locator('h1 .state', { hasText: 'STARTED' }));
  await page.getByRole('link', { name: 'What has changed since' }).click();
  await shown(page.locator('.difference').getByRole('link', { name: 'past.task' }));
  await page.goBack();
  await page.getByRole('button', { name: 'snapshot ▸' }).click();
  await page.waitForURL((shown) => Number(shown.searchParams.get('at')) > then);
  const moment = Number(new URL(page.url()).searchParams.get('at'));
  await page.getByLabel('Play').selectOption({ label: '1×' });
  await page.waitForURL((shown) => Number(shown.searchParams.get('at')) >= moment + 1);
  await page.getByRole('button', { name: 'Back to now' }).click();
  await shown(page.locator('h1 .state', { hasText: 'SUCCESS' }));
  expect(new URL(page.url()).searchParams.get('at')).toBeNull();
  await page.goto(`${url}/?at=2001-01-01`);
  await shown(page.getByText('nothing was recorded', { exact: false }));
});

test('the past is played, from snapshot to snapshot, until it is now', async () => {
  await using store = await freshDatabase();
  await using broker = await freshVhost();
  await using other = new Program({ broker: broker.url, database: store.url });
  await other.ready();
  await using workers = await openSender(broker.url);
  const said = { hostname: 'w3@vm', pid: 1, utcoffset: 0, uuid: 'played-1', name: 'played.task' };
  const snapshots: number[] = [];
  for (const [n, type] of ['task-received', 'task-started', 'task-succeeded'].entries()) {
    await workers.send([{ ...said, type, clock: n + 1, timestamp: seconds() }], type.replace('-', '.'));
    await other.pictured(n + 1);
    snapshots.push(Number(other.said('snapshot').at(-1)?.['snapshot']));
  }
  // As if they had been taken three minutes apart.
  const client = new pg.Client({ connectionString: store.url });
  await client.connect();
  await client.query(
    `update celerycam.snapshots set taken_at =
      now() - interval '12 minutes' + interval '3 minutes' * width_bucket(id, $1::bigint[])`,
    [snapshots],
  );
  await client.end();
  const served = String((await other.until('serving', ({ msg }) => msg === 'serving'))['url']);
  const { page } = await openPage(browser, `${served}/tasks?at=${seconds() - 535}`);
  await shown(rows(page).getByText('RECEIVED'));
  await page.getByLabel('Play').selectOption({ label: '60×' });
  await shown(rows(page).getByText('STARTED'));
  await shown(rows(page).getByText('SUCCESS'));
  await shown(page.getByRole('button', { name: 'Go back in time' }));
  expect(new URL(page.url()).searchParams.get('at')).toBeNull();
  await page.context().close();
});

test('behind a login and below a prefix, and live there', async () => {
  const [user, password] = ['ann', 'secret'];
  await using store = await freshDatabase();
  await using broker = await freshVhost();
  const login = `${user}:${password}`;
  await using other = new Program({ broker: broker.url, database: store.url, urlPrefix: '/cam', basicAuth: login });
  await other.ready();
  await using workers = await openSender(broker.url);
  const said = { hostname: 'w2@vm', pid: 1, utcoffset: 0, uuid: 'far-1' };
  const received = { ...said, type: 'task-received', clock: 1, timestamp: seconds(), name: 'far.task' };
  await workers.send([received], 'task.received');
  const served = String((await other.until('serving', ({ msg }) => msg === 'serving'))['url']);
  const base = `${new URL(served).origin}/cam`;
  const context = await browser.newContext({ httpCredentials: { username: user, password } });
  const page = await context.newPage();
  const feed = page.waitForEvent('websocket');
  await page.goto(`${base}/tasks?q=name%3Afar.*`);
  await shown(rows(page).getByText('RECEIVED'));
  const socket = await feed;
  expect(socket.url()).toContain('/cam/live?ticket=');
  const heard = socket.waitForEvent('framereceived', (frame) => String(frame.payload).includes('"shutter"'));
  await workers.send([{ ...said, type: 'task-started', clock: 2, timestamp: seconds() }], 'task.started');
  await heard;
  await shown(rows(page).getByText('STARTED'));
  await page.getByRole('link', { name: 'far.task' }).click();
  await shown(page.getByText('Events, and what each did'));
  expect(page.url()).toBe(`${base}/task?uuid=far-1`);
  await page.getByRole('link', { name: 'API', exact: true }).click();
  await shown(page.getByRole('heading', { name: 'celerycam: API' }));
  await context.close();
});

test('a killed server is noticed, and so is its return', async () => {
  await using opened = await open('/tasks');
  const { page } = opened;
  await shown(rows(page));
  await program.kill();
  await shown(page.getByText('Disconnected.'));
  program = new Program({ broker: vhost.url, database: database.url, port: new URL(url).port });
  await program.ready();
  await page.getByText('Disconnected.').waitFor({ state: 'detached' });
  await tellTask('after-1', { name: 'after.all' }, 'task-succeeded');
  await shown(rows(page).filter({ hasText: 'after.all' }));
});
