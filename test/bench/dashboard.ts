/** How the dashboard feels in Chromium with 100,000 tasks in its list and 2,000 events a second coming in. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CDPSession, Page } from 'playwright-core';
import type { SimulatedMessage } from '../../src/broker/simulated-worker.ts';
import { DEFAULT_SIMULATION, simulate } from '../../src/broker/simulator.ts';
import { now } from '../../src/runtime.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { openLoad, publishAll } from '../support/load.ts';
import { Program } from '../support/program.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';
import { publishAt } from './feed-load.ts';

const TASKS = 100_000;
const RATE = 2000;
/** Seconds before anything is counted. */
const WARM_UP = 3;
/** Longest that pages of rows are scrolled for, milliseconds. */
const SCROLL = 40_000;

export interface DashboardFigures {
  /** Milliseconds from the request to the first paint, and to the first figure. */
  readonly firstPaint: number;
  readonly firstFigure: number;
  /** Rows that were scrolled through, and those in the page. */
  readonly rows: number;
  readonly present: number;
  /** Milliseconds between frames while scrolling through all of them. */
  readonly frames: Spread;
  /** Milliseconds from a key to the frame that shows it, while events come in. */
  readonly keys: Spread;
  /** Megabytes of the page's heap after a collection, every ten seconds while events come in. */
  readonly heap: readonly number[];
}

interface Spread {
  readonly p50: number;
  readonly p99: number;
}

/** @param seconds how long the heap is watched */
export async function benchDashboard(seconds: number): Promise<DashboardFigures> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using program = new Program({ broker: vhost.url, database: database.url, frequency: '1s', maxTasks: 200_000 });
  await program.ready();
  const url = String((await program.until('serving', ({ msg }) => msg === 'serving'))['url']);
  await using publisher = await openLoad(vhost.url);
  let events = 0;
  await publishAll(
    publisher,
    counted((message) => (events += message.events)),
  );
  await program.pictured(events);
  await using browser = await openBrowser();
  const { firstPaint, firstFigure } = await timesToShow((await openPage(browser, url)).page);
  const { page } = await openPage(browser, `${url}/tasks`);
  const client = await page.context().newCDPSession(page);
  const scrolled = await scroll(page);
  await page.goto(`${url}/tasks`);
  const typing = 20;
  const publishing = publishAt(publisher, RATE, WARM_UP + typing + seconds);
  await delay(WARM_UP * 1000);
  const keys = await type(page, typing);
  await page.goto(`${url}/tasks`);
  const heap = await watchHeap(client, seconds);
  await publishing;
  return { firstPaint, firstFigure, ...scrolled, keys, heap };
}

function* counted(count: (message: SimulatedMessage) => void): Generator<SimulatedMessage> {
  const options = { ...DEFAULT_SIMULATION, rate: 500, workers: 20, count: TASKS };
  for (const message of simulate(options, now() - TASKS / options.rate)) {
    count(message);
    yield message;
  }
}

async function timesToShow(page: Page): Promise<{ readonly firstPaint: number; readonly firstFigure: number }> {
  await page.locator('.tile b').first().waitFor();
  const firstFigure: number = await page.evaluate('performance.now()');
  const firstPaint: number = await page.evaluate(`performance.getEntriesByName('first-contentful-paint')[0].startTime`);
  return { firstPaint, firstFigure };
}

/** Loads all rows by scrolling to the end again and again, then goes through them all, 30 rows to a frame. */
async function scroll(page: Page): Promise<Pick<DashboardFigures, 'rows' | 'present' | 'frames'>> {
  await page.locator('tbody tr').nth(20).waitFor();
  const { deltas, rows, present } = (await page.evaluate(`(async () => {
    const list = document.querySelector('.scroll');
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const height = 28;
    let known = 0;
    for (let last = performance.now(); performance.now() - last < 3000 && performance.now() < ${SCROLL}; ) {
      list.scrollTop = list.scrollHeight;
      await frame();
      if (list.scrollHeight > known) last = performance.now();
      known = list.scrollHeight;
    }
    const rows = Math.round(known / height);
    const deltas = [];
    let before = await frame();
    const step = Math.max(30 * height, known / 600);
    for (let top = 0; top < known; top += step) {
      list.scrollTop = top;
      const at = await frame();
      deltas.push(at - before);
      before = at;
    }
    return { deltas, rows, present: document.querySelectorAll('tbody tr').length };
  })()`)) as { deltas: number[]; rows: number; present: number };
  return { rows, present, frames: spreadOf(deltas) };
}

/** Types into the filter, which is checked and completed with each key. */
async function type(page: Page, seconds: number): Promise<Spread> {
  await page.getByRole('combobox', { name: 'Filter' }).click();
  await page.evaluate(`
    globalThis.waits = [];
    addEventListener('keydown', (event) =>
      requestAnimationFrame(() => setTimeout(() => waits.push(performance.now() - event.timeStamp))), true)`);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await page.keyboard.type('name:orders.* runtime>1 ', { delay: 40 });
    await page.getByRole('combobox', { name: 'Filter' }).fill('');
  }
  return spreadOf((await page.evaluate('waits')) as number[]);
}

async function watchHeap(client: CDPSession, seconds: number): Promise<number[]> {
  const sizes: number[] = [];
  for (let passed = 0; passed < seconds; passed += 10) {
    await delay(10_000);
    await client.send('HeapProfiler.collectGarbage');
    const { usedSize } = await client.send('Runtime.getHeapUsage');
    sizes.push(usedSize / 1e6);
  }
  return sizes;
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
