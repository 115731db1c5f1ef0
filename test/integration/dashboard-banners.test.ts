/** What one has to know before believing the dashboard: its banners, in a real browser, each on what it tells of. */
import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { complaintsOf, openBrowser, openPage } from '../support/browser.ts';
import { Program } from '../support/program.ts';
import { openProxyTo, type TcpProxy } from '../support/proxy.ts';
import { openSender, type Sender } from '../support/receiving.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

let database: Fresh;
let vhost: Fresh;
let proxy: TcpProxy;
let program: Program;
let sender: Sender;
let browser: Browser;
let clock = 0;

const seconds = (): number => Date.now() / 1000;

/** Publishes a heartbeat. @param age seconds since the worker said it */
async function beat(age = 0): Promise<void> {
  clock += 1;
  const said = { type: 'worker-heartbeat', hostname: 'w1@vm', pid: 7, utcoffset: 0, freq: 2, active: 0, processed: 0 };
  await sender.send([{ ...said, clock, timestamp: seconds() - age }], 'worker.heartbeat');
}

async function open(of: Program, path = '/'): Promise<Page> {
  const { url } = await of.until('serving', ({ msg }) => msg === 'serving');
  return (await openPage(browser, `${url}${path}`)).page;
}

beforeAll(async () => {
  database = await freshDatabase();
  vhost = await freshVhost();
  const through = await openProxyTo(database.url);
  proxy = through;
  program = new Program({ broker: vhost.url, database: through.url });
  await program.ready();
  sender = await openSender(vhost.url);
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await sender?.[Symbol.asyncDispose]();
  await program?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await vhost?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

test('a simulated cluster is called one on every page', async () => {
  await using own = await freshDatabase();
  await using demo = new Program({ database: own.url, rate: 20 }, 'demo');
  const page = await open(demo, '/tasks');
  const banner = page.locator('.banner', { hasText: 'Simulated cluster.' });
  await banner.waitFor();
  expect(await banner.textContent()).toContain('Name yours with --broker or CELERY_BROKER_URL');
  expect(await complaintsOf(page)).toEqual([]);
  for (const name of ['Overview', 'Workers', 'History', 'System']) {
    await page.getByRole('link', { name, exact: true }).click();
    await page.locator('nav [aria-current="page"]', { hasText: name }).waitFor();
    expect(await banner.isVisible()).toBe(true);
  }
});

test('where all is well there is none', async () => {
  await beat();
  await program.until('a snapshot', ({ msg }) => msg === 'snapshot');
  const page = await open(program);
  // The footer and the banners show the same answer.
  await page.getByText(/^celerycam \d/).waitFor();
  expect(await page.locator('.banner').allInnerTexts()).toEqual([]);
});

test('nothing can be recorded, and why, until it can', async () => {
  const page = await open(program);
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  proxy.refuse();
  proxy.cut();
  await beat();
  const banner = page.locator('.banner', { hasText: 'Nothing can be recorded at the moment.' });
  await banner.waitFor();
  expect(await banner.textContent()).toMatch(/at the moment\. \S/);
  proxy.pass();
  await banner.waitFor({ state: 'detached' });
});

test('the snapshots lag behind what is recorded', async () => {
  const page = await open(program);
  await using locker = await locking('celerycam.snapshots');
  await beat();
  const banner = page.locator('.banner', { hasText: 'The latest snapshot is' });
  await banner.waitFor();
  expect(await banner.textContent()).toContain('lists do not show what came later');
  await locker.release();
  await banner.waitFor({ state: 'detached' });
});

test('what is recorded is old, until new events come', async () => {
  const page = await open(program);
  const banner = page.locator('.banner', { hasText: 'The recorder is behind' });
  // It is asked for the last whole second: events have to go on.
  const seen = async (age: number): Promise<number> => {
    await beat(age);
    return banner.count();
  };
  await expect.poll(() => seen(60), { timeout: 30_000 }).toBe(1);
  expect(await banner.textContent()).toContain('the newest events were 1 m 00 s old');
  await expect.poll(() => seen(0), { timeout: 30_000 }).toBe(0);
});

/** Holds a table, so that it can be read but not written to. */
async function locking(table: string): Promise<AsyncDisposable & { readonly release: () => Promise<void> }> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`begin; lock table ${table} in exclusive mode`);
  return { release: async () => void (await client.query('rollback')), [Symbol.asyncDispose]: () => client.end() };
}
