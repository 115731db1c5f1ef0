/** The events that the folds are measured with. */
import type { Event } from '../../src/domain/event.ts';

export const EVENTS_PER_TASK = 4;

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
