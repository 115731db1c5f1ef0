/** The events of the benchmarks of the live feed. */
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
