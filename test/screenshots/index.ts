/**
 * `npm run screenshots [DIR]`: every page of the dashboard in both themes, of the shop in `shop.ts` through the built program
 * with a real broker, as PNG files in `docs/screenshots` or the directory that is named.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { PeriodicTasks } from '../../src/client/index.ts';
import type { NewPeriodicTask, PeriodicSchedule } from '../../src/contract/periodic.ts';
import { now } from '../../src/runtime.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import setup from '../support/global-setup.ts';
import { Program } from '../support/program.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';
import { openShop, type Sights } from './shop.ts';

const [directory = new URL('../../../docs/screenshots/', import.meta.url).pathname] = process.argv.slice(2);

const PERIODIC_TASKS: readonly NewPeriodicTask[] = [
  {
    ...{ name: 'count visitors', task: 'shop.reports.tasks.count_visitors', kwargs: '{"window": 5}' },
    ...{ schedule: { kind: 'interval', every: 5, period: 'seconds' }, description: 'For the figure at the entrance.' },
  },
  {
    ...{ name: 'reorder stock', task: 'shop.stock.tasks.reorder', args: '["warehouse-3"]' },
    schedule: crontab({ minute: '*/15', hour: '8-17', day_of_week: 'mon-fri' }),
  },
  {
    ...{ name: 'monthly statements', task: 'shop.billing.tasks.send_statements', queue: 'billing', priority: 3 },
    schedule: crontab({ minute: '30', hour: '2', day_of_month: '1' }),
  },
  {
    ...{ name: 'shop window lights', task: 'shop.building.tasks.lights_on', enabled: false },
    schedule: { kind: 'solar', event: 'sunset', latitude: 52.52, longitude: 13.405 },
  },
];

type CrontabSchedule = Extract<PeriodicSchedule, { kind: 'crontab' }>;

function crontab(fields: Partial<Omit<CrontabSchedule, 'kind' | 'timezone'>>): CrontabSchedule {
  const every = { minute: '*', hour: '*', day_of_week: '*', day_of_month: '*', month_of_year: '*' };
  return { kind: 'crontab', ...every, ...fields, timezone: 'Europe/Berlin' };
}

interface Shot {
  readonly path: string;
  /** A text that shows when it is all there. */
  readonly shows: string;
  readonly width?: number;
  readonly height?: number;
}

function shotsOf({ order, failed, retried }: Sights, then: number): Readonly<Record<string, Shot>> {
  const list = new URLSearchParams({
    q: 'name:shop.* runtime>100ms',
    columns: 'state,name,received,runtime,worker,retries,outcome',
  });
  return {
    overview: { path: '/?span=1h', shows: 'Latest failures', height: 1040 },
    tasks: { path: `/tasks?${list}`, shows: 'tasks' },
    task: { path: `/task?uuid=${failed}`, shows: 'Traceback', height: 1040 },
    retries: { path: `/task?uuid=${retried}`, shows: 'run 3', height: 420 },
    workflow: { path: `/task?uuid=${order}`, shows: 'critical path', height: 1040 },
    workers: { path: '/workers', shows: 'celery@worker1', height: 480 },
    worker: { path: '/worker?hostname=celery%40worker1', shows: 'Latest tasks', height: 1040 },
    history: { path: `/history?from=${then}`, shows: 'Finished', height: 880 },
    past: { path: `/tasks?at=${then}`, shows: 'As it was at' },
    system: { path: '/system', shows: 'Dead letters', height: 1040 },
    periodic: { path: '/periodic', shows: 'reorder stock', height: 480 },
    'periodic-task': { path: '/periodic-task?id=1', shows: 'Runs', height: 1040 },
    phone: { path: '/tasks', shows: 'tasks', width: 390, height: 780 },
  };
}

mkdirSync(directory, { recursive: true });
const stop = await setup();
try {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  const options = { broker: vhost.url, database: database.url, frequency: '1s' };
  const first = new Program(options);
  await first.ready();
  const shop = await openShop(vhost.url);
  // While it is away nobody listens: the gap that the pictures show. What happened meanwhile is told afterwards.
  await first.until('all of the past', ({ msg, position }) => msg === 'snapshot' && Number(position) > 100_000);
  await first.stop();
  await delay(30_000);
  await using program = new Program({ ...options, beat: 'yes' });
  await program.ready();
  const end = new AbortController();
  const sights = shop.goOn(end.signal);
  const url = String((await program.until('serving', ({ msg }) => msg === 'serving'))['url']);
  const periodicTasks = new PeriodicTasks({ url });
  for (const task of PERIODIC_TASKS) await periodicTasks.create(task);
  await delay(20_000);
  const then = now();
  await delay(20_000);
  await using browser = await openBrowser();
  for (const [name, { path, shows, width = 1120, height = 620 }] of Object.entries(shotsOf(sights, then))) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await openPage(browser, url + path, { colorScheme, viewport: { width, height } });
      await page.getByText(shows).first().waitFor();
      // Charts are drawn when what draws them was fetched.
      await page.waitForLoadState('networkidle');
      await page.screenshot({ path: `${directory}/${name}-${colorScheme}.png` });
      await page.context().close();
    }
    console.log(name);
  }
  end.abort();
} finally {
  await stop();
}
process.exit();
