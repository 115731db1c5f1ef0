/** The pages of periodic tasks in a real browser, on the built program with a real broker and database behind it. */
import { connect } from 'amqplib';
import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PeriodicTasks } from '../../src/client/index.ts';
import type { PeriodicTaskRow } from '../../src/contract/periodic.ts';
import { complaintsOf, type Opened, openBrowser, openPage } from '../support/browser.ts';
import { Program } from '../support/program.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

const HOSTILE = `<img src=x onerror="hacked=1"><script>hacked=1</script>\u202e\u0007'"&`;
const SHOWN = `<img src=x onerror="hacked=1"><script>hacked=1</script>⟨U+202E⟩␇'"&`;
const EVERY_HOUR = { kind: 'interval', every: 1, period: 'hours' } as const;

let database: Fresh;
let vhost: Fresh;
let program: Program;
let browser: Browser;
let tasks: PeriodicTasks;
let client: pg.Client;
let url: string;

beforeAll(async () => {
  database = await freshDatabase();
  vhost = await freshVhost();
  program = new Program({ broker: vhost.url, database: database.url });
  await program.ready();
  url = String((await program.until('serving', ({ msg }) => msg === 'serving'))['url']);
  tasks = new PeriodicTasks({ url });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await client?.end();
  await program?.[Symbol.asyncDispose]();
  await vhost?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

async function open(path: string, options = {}): Promise<Opened & AsyncDisposable> {
  const opened = await openPage(browser, url + path, options);
  return { ...opened, [Symbol.asyncDispose]: () => opened.page.context().close() };
}

let names = 0;

async function made(more: object = {}): Promise<PeriodicTaskRow> {
  names += 1;
  return tasks.create({ name: `task ${names}`, task: 'shop.pay', schedule: EVERY_HOUR, ...more });
}

/** The task once the condition holds. */
async function until(id: number, condition: (task: PeriodicTaskRow) => boolean): Promise<PeriodicTaskRow> {
  return expect
    .poll(async () => condition(await tasks.one(id)), { timeout: 20_000 })
    .toBe(true)
    .then(() => tasks.one(id));
}

/** What is not in order, but for answers that are no success: the browser tells of each. */
function faultsOf({ faults }: Opened): object {
  return { ...faults, errors: faults.errors.filter((error) => !/status of 4\d\d/.test(error)) };
}

const NONE = { errors: [], elsewhere: [] };

test('where there is none, it is said what to type', async () => {
  await using opened = await open('/periodic');
  const { page } = opened;
  await page.getByText('There are no periodic tasks.').waitFor();
  await page.getByText('celerycam periodic add sweep --task proj.tasks.sweep --every 10m').waitFor();
  expect(faultsOf(opened)).toEqual(NONE);
});

describe('with some', () => {
  let hostile: PeriodicTaskRow;

  beforeAll(async () => {
    hostile = await made({
      name: HOSTILE,
      task: HOSTILE,
      description: HOSTILE,
      queue: HOSTILE,
      args: JSON.stringify([HOSTILE]),
    });
    await client.query(`insert into celerycam.djcelery_periodictask (name, task, args) values ('bad one', 't', '[1')`);
    await client.query(
      `insert into celerycam.periodic_runs (periodic_task, due_at, outcome, task_id, sent_at, missed, reason) values
        ($1, now() - interval '2 hours', 'sent', 'run-1', now() - interval '2 hours' + interval '5 s', 3, null),
        ($1, now() - interval '1 hour', 'skipped', null, null, 0, $2)`,
      [hostile.id, HOSTILE],
    );
  });

  describe.each([
    ['list', () => '/periodic', 'bad one'],
    ['one', () => `/periodic-task?id=${hostile.id}`, '3 missed before it'],
    ['new', () => '/periodic-task', 'Due next'],
    ['none', () => '/periodic-task?id=999999', 'there is no periodic task 999999'],
  ])('%s', (_name, path, shows) => {
    test.each(['light', 'dark'] as const)('says what it is about, without a fault, %s', async (colorScheme) => {
      await using opened = await open(path(), { colorScheme });
      const { page } = opened;
      await page.getByText(shows).first().waitFor();
      expect(await complaintsOf(page)).toEqual([]);
      expect(faultsOf(opened)).toEqual(NONE);
      expect(await page.evaluate('typeof hacked')).toBe('undefined');
    });

    test('fits a phone', async () => {
      await using opened = await open(path(), { viewport: { width: 360, height: 740 } });
      await opened.page.getByText(shows).first().waitFor();
      expect(await opened.page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    });
  });

  test('what others wrote is text', async () => {
    await using opened = await open('/periodic');
    const { page } = opened;
    await page.getByTitle(SHOWN).first().click();
    await page.getByRole('heading', { name: SHOWN }).waitFor();
    expect(await page.getByLabel('Queue').inputValue()).toBe(HOSTILE);
    await page.getByText(`skipped`).first().waitFor();
    expect(await page.evaluate('typeof hacked')).toBe('undefined');
    expect(faultsOf(opened)).toEqual(NONE);
  });
});

test('from nothing to a task: what is wrong is told at its field, and what is due before it is saved', async () => {
  await using opened = await open('/periodic-task', { timezoneId: 'America/New_York' });
  const { page } = opened;
  await page.getByRole('button', { name: 'Create' }).click();
  await wrong(page, 'Name', 'expected a text that is not empty');
  await page.getByLabel('Name').fill('nightly');
  await page.getByLabel('Task', { exact: true }).fill('shop.report');
  await page.getByLabel('Arguments (JSON array)').fill('[1');
  await page.getByRole('button', { name: 'crontab' }).click();
  await page.getByLabel('Hour').fill('25');
  await wrong(page, 'Hour', '25 is too much; expected a number from 0 to 23');
  await page.getByLabel('Hour').fill('2');
  await page.getByLabel('Minute').fill('30');
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  // In the zone of the schedule, and where the reader is: six hours between them, or five while only one has put clocks forward.
  const rows = page.getByRole('region', { name: 'Due next' }).locator('tbody tr');
  await expect.poll(() => rows.count()).toBe(10);
  const [berlin, here] = await rows.first().locator('td').allTextContents();
  expect(berlin).toMatch(/^20\d\d-\d\d-\d\d 02:30:00 \+0[12]:00$/);
  expect(here).toMatch(/^20\d\d-\d\d-\d\d 2[01]:30:00$/);
  await page.getByRole('button', { name: 'Create' }).click();
  await wrong(page, 'Arguments (JSON array)', 'expected a JSON array');
  await page.getByLabel('Arguments (JSON array)').fill('[1]');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'nightly' }).waitFor();
  const [task] = (await tasks.list({ search: 'nightly' })).items;
  expect(task).toMatchObject({
    ...{ name: 'nightly', task: 'shop.report', args: '[1]', enabled: true },
    schedule: { kind: 'crontab', minute: '30', hour: '2', day_of_week: '*', timezone: 'Europe/Berlin' },
  });
  expect(faultsOf(opened)).toEqual(NONE);
});

/** The field is marked, and tells what is wrong with it. */
async function wrong(page: Page, label: string, message: string): Promise<void> {
  const field = page.getByLabel(label, { exact: true });
  await page.locator('.fault', { hasText: message }).waitFor();
  expect(await field.getAttribute('aria-invalid')).toBe('true');
  const id = await field.getAttribute('aria-describedby');
  expect(await page.locator(`[id="${id}"]`).textContent()).toContain(message);
}

test('every kind of schedule is shown and saved as it was set', async () => {
  const schedules = [
    { kind: 'solar', event: 'dusk_civil', latitude: -33.5, longitude: 151.25 },
    { kind: 'clocked', clocked_time: Date.UTC(2080, 0, 1, 12, 0, 0, 250) / 1000 },
    { kind: 'interval', every: 90, period: 'seconds' },
  ] as const;
  for (const schedule of schedules) {
    const task = await made({ schedule, expires: Date.UTC(2090, 0, 1) / 1000 + 0.5 });
    await using opened = await open(`/periodic-task?id=${task.id}`);
    const { page } = opened;
    await page.getByRole('button', { name: 'Save' }).waitFor();
    expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
    await page.getByLabel('Description').fill(`a ${schedule.kind}`);
    await page.getByRole('button', { name: 'Save' }).click();
    const saved = await until(task.id, ({ description }) => description !== '');
    const { schedule: kept, expires, scheduled_at } = saved;
    expect({ kept, expires, scheduled_at }).toEqual({
      kept: schedule,
      expires: task.expires,
      scheduled_at: task.scheduled_at,
    });
  }
});

test('a task is disabled and enabled in the list, and deleted when that is confirmed', async () => {
  const task = await made({ name: 'to be deleted' });
  await using opened = await open('/periodic?search=deleted');
  const { page } = opened;
  await page.getByRole('switch', { name: 'to be deleted enabled', checked: true }).click();
  await page.getByRole('switch', { name: 'to be deleted enabled', checked: false }).waitFor();
  expect((await tasks.one(task.id)).enabled).toBe(false);
  await page.getByRole('link', { name: 'to be deleted' }).click();
  await page.getByRole('button', { name: 'Enable' }).click();
  await until(task.id, ({ enabled }) => enabled);
  await page.getByRole('button', { name: 'Delete …' }).click();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.getByRole('button', { name: 'Delete …' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page
    .getByText('There are no periodic tasks.')
    .or(page.getByRole('heading', { name: 'Periodic tasks' }))
    .first()
    .waitFor();
  expect((await tasks.list({ search: 'to be deleted' })).items).toEqual([]);
  expect(faultsOf(opened)).toEqual(NONE);
});

test('where nobody sends them it is said what to type, until a beat leads', async () => {
  await made();
  await client.query(`insert into celerycam.djcelery_periodictask (name, task) values ('never due', 't')`);
  await using opened = await open('/periodic');
  const wrong = opened.page.getByRole('region', { name: 'What is wrong' });
  await wrong.getByText('no beat leads: nothing is sent').waitFor();
  await wrong.getByText('celerycam beat, or celerycam run --beat').waitFor();
  await wrong.getByRole('link', { name: /more problems?$/ }).waitFor();
  await using beat = new Program({ broker: vhost.url, database: database.url }, 'beat');
  await wrong.getByText('no beat leads: nothing is sent').waitFor({ state: 'detached' });
  expect(await beat.stop()).toBe(0);
  expect(faultsOf(opened)).toEqual(NONE);
});

test('sent now, and it is said what became of it', async () => {
  const connection = await connect(vhost.url);
  const channel = await connection.createChannel();
  await channel.assertQueue('celery');
  const task = await made({ name: 'now' });
  await using opened = await open(`/periodic-task?id=${task.id}`);
  const { page } = opened;
  await page.getByRole('button', { name: 'Run now' }).click();
  await page.getByText('Sent as').waitFor();
  const [run] = (await tasks.runs(task.id)).items;
  await page
    .getByRole('status')
    .getByRole('link', { name: String(run?.task_id) })
    .waitFor();
  await page.getByRole('cell', { name: 'by hand' }).waitFor();
  const message = await channel.get('celery', { noAck: true });
  if (!message) throw new Error('the queue is empty');
  expect(message.properties.headers?.['id']).toBe(run?.task_id);
  await tasks.change(task, { queue: 'nowhere' });
  await page.getByRole('button', { name: 'Run now' }).click();
  await page.getByText('No queue has taken it. there is no queue "nowhere"').waitFor();
  await connection.close();
  expect(faultsOf(opened)).toEqual(NONE);
});

test('what somebody else changed meanwhile is not undone', async () => {
  const task = await made({ name: 'contested' });
  await using opened = await open(`/periodic-task?id=${task.id}`);
  const { page } = opened;
  await page.getByLabel('Description').fill('mine');
  await tasks.change(task, { args: '[2]' });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('somebody has changed "contested" since it was read').waitFor();
  await page.getByRole('button', { name: 'Load what is there now' }).click();
  await expect.poll(() => page.getByLabel('Arguments (JSON array)').inputValue()).toBe('[2]');
  expect(await page.getByLabel('Description').inputValue()).toBe('');
  await page.getByLabel('Description').fill('mine again');
  await page.getByRole('button', { name: 'Save' }).click();
  expect(await until(task.id, ({ description }) => description !== '')).toMatchObject({
    args: '[2]',
    description: 'mine again',
  });
  expect(faultsOf(opened)).toEqual(NONE);
});

test('a change by SQL is seen', async () => {
  const task = await made({ name: 'from SQL' });
  await using opened = await open(`/periodic-task?id=${task.id}`);
  const { page } = opened;
  await page.getByLabel('Queue').waitFor();
  await client.query(`update celerycam.djcelery_periodictask set queue = 'other' where id = $1`, [task.id]);
  await expect.poll(() => page.getByLabel('Queue').inputValue(), { timeout: 20_000 }).toBe('other');
});
