/** The events of the benchmarks of the live feed. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Publisher } from '../../src/broker/publisher.ts';
import type { Event } from '../../src/domain/event.ts';

const WORKERS = 50;

/** A task's events and how long after the first each is published, milliseconds. */
export const LIFE = [
  ['sent', 0],
  ['received', 5],
  ['started', 10],
  ['succeeded', 60],
] as const;

/** An event of the `n`-th task, at this moment. */
export function taskEvent(subject: string, n: number, clock: number): Event {
  const uuid = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const hostname = subject === 'sent' ? 'gen1@client' : `celery@worker${n % WORKERS}`;
  const timestamp = Date.now() / 1000;
  const base = { type: `task-${subject}`, uuid, hostname, pid: n % WORKERS, clock, timestamp, utcoffset: 0 };
  if (subject === 'succeeded') return { ...base, result: '3', runtime: 0.05 };
  if (subject === 'started') return base;
  const call = { name: `app.tasks.name${n % 40}`, args: '(1, 2)', kwargs: '{}', retries: 0, eta: null, expires: null };
  return { ...base, ...call, root_id: uuid, parent_id: null };
}

/** Publishes tasks' events evenly. Returns how many. */
export async function publishAt(publisher: Publisher, rate: number, seconds: number): Promise<number> {
  const tasks = rate / LIFE.length;
  const due: { readonly at: number; readonly n: number; readonly subject: string }[] = [];
  for (let n = 0; n < tasks * seconds; n++)
    for (const [subject, after] of LIFE) due.push({ at: (n / tasks) * 1000 + after, n, subject });
  due.sort((a, b) => a.at - b.at);
  const start = performance.now();
  for (let next = 0; next < due.length; await delay(1)) {
    const elapsed = performance.now() - start;
    for (let each = due[next]; each && each.at <= elapsed; each = due[next]) {
      next += 1;
      const { subject, n } = each;
      const event = taskEvent(subject, n, next);
      const message = { at: 0, routing_key: `task.${subject}`, hostname: String(event.hostname), events: 1 };
      publisher.publish({ ...message, body: JSON.stringify(event) });
    }
  }
  return due.length;
}
