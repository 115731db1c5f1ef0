/** The outcome of a replay: everything as JSON, or a summary for people. */
import type { Writable } from 'node:stream';
import type { Seconds } from '../domain/event.ts';
import { reportWithoutTasks } from '../domain/report.ts';
import type { State } from '../domain/state.ts';

/** How many elements of a list are written at once: the whole may be longer than the longest string there can be. */
const SLICE = 1000;

/** One JSON object; what can be iterated in it is written as a list, piece by piece. */
export function printJson(object: Readonly<Record<string, unknown>>, out: Pick<Writable, 'write'>): void {
  let separator = '{';
  for (const [key, value] of Object.entries(object)) {
    out.write(`${separator}${JSON.stringify(key)}:`);
    separator = ',';
    if (isIterable(value)) printList(value, out);
    else out.write(JSON.stringify(value));
  }
  out.write('}\n');
}

function printList(values: Iterable<unknown>, out: Pick<Writable, 'write'>): void {
  out.write('[');
  let written = 0;
  let texts: string[] = [];
  const flush = (): void => {
    if (texts.length > 0) out.write((written > 0 ? ',' : '') + texts.join(','));
    written += texts.length;
    texts = [];
  };
  for (const value of values) if (texts.push(JSON.stringify(value)) === SLICE) flush();
  flush();
  out.write(']');
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

export function printSummary(state: State, now: Seconds, undecodable: number, out: Pick<Writable, 'write'>): void {
  const { event_count, tasks, task_types, workers, evicted_active } = state;
  const { workers: reported } = reportWithoutTasks(state, now);
  const counted = `${plural(event_count, 'event')}, ${plural(tasks.size, 'task')} of ${plural(task_types.size, 'name')}`;
  const lines = [
    `${counted}, ${plural(workers.size, 'worker')}`,
    ...(undecodable > 0
      ? [`${plural(undecodable, 'message or event', 'messages or events')} could not be decoded`]
      : []),
    ...(evicted_active > 0 ? [`${plural(evicted_active, 'unfinished task')} dropped: give a higher --max-tasks`] : []),
    '',
    'tasks by state',
    ...table(count(Array.from(tasks.values(), ({ state }) => state))),
    '',
    'tasks by name (the 20 most frequent)',
    ...table(count(Array.from(tasks.values(), ({ name }) => name ?? '(unknown)')).slice(0, 20)),
    '',
    'workers at the end',
    ...table(
      reported.map(({ hostname, status, processed }) => [String(hostname), `${status}, ${processed ?? '?'} processed`]),
    ),
    '',
  ];
  out.write(lines.join('\n'));
}

function count(values: readonly string[]): [string, string][] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([value, n]) => [value, String(n)]);
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
