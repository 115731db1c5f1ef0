/** The outcome of a replay: everything as JSON, or a summary for people. */
import type { Writable } from 'node:stream';
import type { Report } from '../domain/report.ts';

/** How many elements of a list are written at once: the whole may be longer than the longest string there can be. */
const SLICE = 1000;

/** One JSON object, its lists written piece by piece. */
export function printJson(object: Readonly<Record<string, unknown>>, out: Pick<Writable, 'write'>): void {
  let separator = '{';
  for (const [key, value] of Object.entries(object)) {
    out.write(`${separator}${JSON.stringify(key)}:`);
    separator = ',';
    if (!Array.isArray(value)) {
      out.write(JSON.stringify(value));
      continue;
    }
    out.write('[');
    for (let i = 0; i < value.length; i += SLICE) {
      const texts = value.slice(i, i + SLICE).map((element) => JSON.stringify(element));
      out.write((i > 0 ? ',' : '') + texts.join(','));
    }
    out.write(']');
  }
  out.write('}\n');
}

export function printSummary(report: Report, undecodable: number, out: Pick<Writable, 'write'>): void {
  const { event_count, tasks, task_types, workers, evicted_active } = report;
  const lines = [
    `${plural(event_count, 'event')}, ${plural(tasks.length, 'task')} of ${plural(task_types.length, 'name')}, ${plural(workers.length, 'worker')}`,
    ...(undecodable > 0
      ? [`${plural(undecodable, 'message or event', 'messages or events')} could not be decoded`]
      : []),
    ...(evicted_active > 0 ? [`${plural(evicted_active, 'unfinished task')} dropped: give a higher --max-tasks`] : []),
    '',
    'tasks by state',
    ...table(count(tasks.map(({ state }) => String(state)))),
    '',
    'tasks by name (the 20 most frequent)',
    ...table(count(tasks.map(({ name }) => String(name ?? '(unknown)'))).slice(0, 20)),
    '',
    'workers at the end',
    ...table(
      workers.map(({ hostname, status, processed }) => [String(hostname), `${status}, ${processed ?? '?'} processed`]),
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
