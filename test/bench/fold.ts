/**
 * How fast the fold is and how much memory a task takes, beside Celery's own State on the same events.
 * Time is processor time, so that what else runs matters less. Parsing is not timed. Memory is right where
 * `node --expose-gc` lets it collect first.
 */
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, type FoldName, fold } from '../../src/domain/state.ts';

const CHUNK = 1_000;
const EVENTS_PER_TASK = 4;
const CELERY = fileURLToPath(new URL('celery_fold.py', import.meta.url).href.replace('/.bench/', '/'));

export interface FoldRates {
  readonly tasks: number;
  /** Events per second of processor time. */
  readonly filling: number;
  /** The same where each new task evicts one. */
  readonly steady: number;
  readonly bytesPerTask: number;
}

/** Events of a cluster of 50 workers and 40 task names: 90 % succeed, 5 % fail with a traceback, 5 % are retried. */
export function* eventTexts(tasks: number): Generator<string> {
  const random = createRandom(1);
  const underway: { readonly uuid: string; readonly n: number; step: number; readonly end: number }[] = [];
  let clock = 0;
  let timestamp = 1_700_000_000;
  for (let n = 0; n < tasks || underway.length > 0; ) {
    while (underway.length < 100 && n < tasks) {
      underway.push({ uuid: uuidOf(n, random), n, step: 0, end: random() });
      n++;
    }
    const i = Math.floor(random() * underway.length);
    const task = underway[i] as (typeof underway)[number];
    timestamp += 0.0001;
    clock++;
    yield JSON.stringify(eventOf(task, clock, timestamp));
    if (++task.step === EVENTS_PER_TASK) {
      underway[i] = underway.at(-1) as (typeof underway)[number];
      underway.pop();
    }
  }
}

function eventOf(
  task: { uuid: string; n: number; step: number; end: number },
  clock: number,
  timestamp: number,
): Event {
  const { uuid, n, step, end } = task;
  const isSent = step === 0;
  const head = {
    hostname: isSent ? 'gen100@client' : `celery@host${n % 50}`,
    utcoffset: 0,
    pid: isSent ? 100 : 1000 + (n % 50),
    clock,
  };
  const tail = { timestamp };
  if (step < 2) {
    const name = `project.module${n % 8}.tasks.name${n % 40}`;
    const call = {
      uuid,
      name,
      args: `(${n}, 'customer')`,
      kwargs: "{'retry': False}",
      root_id: uuid,
      parent_id: null,
      retries: 0,
      eta: null,
      expires: null,
    };
    if (isSent)
      return { ...head, ...call, queue: 'celery', exchange: '', routing_key: 'celery', ...tail, type: 'task-sent' };
    return { ...head, ...call, ...tail, type: 'task-received' };
  }
  if (step === 2) return { ...head, uuid, ...tail, type: 'task-started' };
  if (end < 0.9)
    return { ...head, uuid, result: `{'id': ${n}, 'ok': True}`, runtime: end, ...tail, type: 'task-succeeded' };
  const failure = {
    exception: `ValueError('no such customer ${n % 100}')`,
    traceback: `Traceback (most recent call last):\n${'  File "/srv/project/tasks.py", line 42, in run\n'.repeat(30)}ValueError: ${n % 100}`,
  };
  return { ...head, uuid, ...failure, ...tail, type: end < 0.95 ? 'task-failed' : 'task-retried' };
}

function uuidOf(n: number, random: () => number): string {
  const hex = (length: number): string =>
    Math.floor(random() * 16 ** length)
      .toString(16)
      .padStart(length, '0');
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${n.toString(16).padStart(12, '0')}`;
}

/** mulberry32 */
function createRandom(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function foldTexts(clusters: Clusters, texts: Iterator<string>, count: number): number {
  let seconds = 0;
  let position = clusters.position;
  for (let done = 0; done < count; done += CHUNK) {
    const events: Event[] = [];
    while (events.length < CHUNK) {
      const { value, done: ended } = texts.next();
      if (ended) break;
      events.push(JSON.parse(value) as Event);
    }
    const begin = processorTime();
    for (const event of events) {
      fold(clusters, { position: ++position, cluster: 'default', local_received: event.timestamp as number, event });
    }
    seconds += processorTime() - begin;
  }
  return count / seconds;
}

/** Seconds, of all threads. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** @param extra tasks folded at the limit */
export function benchOurs(name: FoldName, maxTasks: number, extra: number): FoldRates {
  const texts = eventTexts(maxTasks + extra);
  const before = heapUsed();
  const clusters = createClusters({ maxTasks, maxWorkers: 5_000 }, { fold: name });
  const filling = foldTexts(clusters, texts, maxTasks * EVENTS_PER_TASK);
  const bytesPerTask = (heapUsed() - before) / maxTasks;
  const steady = foldTexts(clusters, texts, extra * EVENTS_PER_TASK);
  return { tasks: maxTasks, filling, steady, bytesPerTask };
}

export async function benchCelery(maxTasks: number, extra: number): Promise<FoldRates> {
  const folder = mkdtempSync(join(tmpdir(), 'celerycam-bench-'));
  try {
    const path = join(folder, 'events.jsonl');
    const file = createWriteStream(path);
    for (const text of eventTexts(maxTasks + extra)) {
      if (!file.write(`${text}\n`)) await new Promise<void>((resume) => file.once('drain', () => resume()));
    }
    await finished(file.end());
    const output = execFileSync(process.env['CELERY_PYTHON'] ?? '/usr/bin/python3', [
      CELERY,
      path,
      `${maxTasks}`,
      `${maxTasks * EVENTS_PER_TASK}`,
    ]);
    const { filling, steady, bytes } = JSON.parse(output.toString()) as {
      filling: number;
      steady: number;
      bytes: number;
    };
    return { tasks: maxTasks, filling, steady, bytesPerTask: bytes };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Prints a table. */
export async function benchFold(): Promise<void> {
  const perSecond = (rate: number): string => `${Math.round(rate / 1000)} k/s`;
  const print = (who: string, rates: FoldRates): void => {
    const { tasks, filling, steady, bytesPerTask } = rates;
    console.log(
      `fold ${who.padEnd(9)} ${String(tasks).padStart(8)} tasks  filling ${perSecond(filling).padStart(9)}  steady ${perSecond(steady).padStart(9)}  ${Math.round(bytesPerTask)} bytes per task`,
    );
  };
  const celery = await benchCelery(10_000, 30_000);
  print('Celery', celery);
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  for (const [name, goal] of [
    ['celery', 25],
    ['strict', 15],
  ] as const) {
    benchOurs(name, 10_000, 40_000); // so that the compiler knows it
    const small = benchOurs(name, 10_000, 200_000);
    print(name, small);
    print(name, benchOurs(name, 100_000, 200_000));
    const large = benchOurs(name, 1_000_000, 200_000);
    print(name, large);
    console.log(`  steady at 10,000: ${ratio(small.steady, celery.steady)} × Celery's State (goal ${goal})`);
    console.log(`  steady at 1,000,000: ${ratio(large.steady, small.steady)} × the rate at 10,000 (goal 0.5)`);
    console.log(`  bytes per task: ${ratio(small.bytesPerTask, celery.bytesPerTask)} × Celery's (goal 0.3)`);
  }
}
