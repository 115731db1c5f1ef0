/** `celerycam periodic`: periodic tasks listed, made, changed and deleted, in the database itself. */
import type { Answer } from '../answer.ts';
import type { SendNow } from '../beat/send-now.ts';
import type { Flags } from '../config.ts';
import type { PeriodicRunRow, PeriodicTaskRow } from '../contract/periodic.ts';
import { type DueTime, dueTimesAfter, faultOfSchedules, timingOf } from '../domain/periodic.ts';
import { describeSchedule, type Schedule } from '../domain/schedule.ts';
import { visible } from '../domain/visible.ts';
import { MonitorError } from '../errors.ts';
import { now } from '../runtime.ts';
import type { PeriodicTasks } from '../store/periodic-tasks.ts';
import { changeOf, newTaskOf, scheduleOf } from './periodic-settings.ts';
import { table, timeOf } from './table.ts';

/** Rows that are read at once. */
const PAGE = 1000;
/** Due times and runs that `show` prints. */
const FEW = 10;

export async function list(tasks: PeriodicTasks, { search, json }: Flags): Promise<void> {
  const rows: PeriodicTaskRow[] = [];
  let cursor: string | null = null;
  do {
    const asked = { limit: PAGE, cursor, search: typeof search === 'string' ? search : null, enabled: null };
    const page: { items: PeriodicTaskRow[]; next: string | null } = told(await tasks.list(asked));
    rows.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  if (json === true) for (const row of rows) print(JSON.stringify(row));
  else if (rows.length === 0) print('there are none; `celerycam periodic add --help` tells how to make one');
  else for (const line of table([HEAD, ...rows.map(rowOf)])) print(line);
}

const HEAD = ['name', 'task', 'when', 'next due (UTC)', 'last sent (UTC)', 'runs', 'state'];

function rowOf(row: PeriodicTaskRow): string[] {
  const { name, task, schedule, next_due, last_run_at, total_run_count } = row;
  const when = schedule ? describeSchedule(schedule) : '';
  return [name, task, when, timeOf(next_due), timeOf(last_run_at), String(total_run_count), stateOf(row)];
}

function stateOf({ enabled, unfit, last_run }: PeriodicTaskRow): string {
  if (!enabled) return 'disabled';
  return unfit === null ? (last_run?.state ?? last_run?.outcome ?? '') : `UNFIT ${unfit}`;
}

export async function show(tasks: PeriodicTasks, name: string, { json }: Flags): Promise<void> {
  const { last_run: _, ...task } = told(await tasks.named(name));
  const runs = told(await tasks.runs(task.id, { limit: FEW, cursor: null })).items;
  const dues = task.unfit === null && task.schedule ? duesOf(task.schedule, task, FEW) : [];
  if (json === true) {
    print(JSON.stringify({ ...task, due_times: dues, runs }));
    return;
  }
  const { schedule, etag: _etag, ...facts } = task;
  const when = schedule ? describeSchedule(schedule) : '';
  for (const line of table(Object.entries({ ...facts, schedule: when }).map(factOf))) print(line);
  print('', dues.length > 0 ? 'due' : 'never due again', ...linesOf(dues));
  print('', runs.length > 0 ? 'runs' : 'no runs yet', ...table(runs.map(runOf)).map((line) => `  ${line}`));
}

const TIMES = ['expires', 'start_time', 'last_run_at', 'date_changed', 'scheduled_at', 'next_due'];

function factOf([name, value]: readonly [string, unknown]): string[] {
  return [name, TIMES.includes(name) ? timeOf(value) : String(value ?? '')];
}

function runOf({ due_at, outcome, sent_at, late, missed, overlapping, task_id, state, reason }: PeriodicRunRow) {
  const notes = [
    ...(missed > 0 ? [`${missed} missed before`] : []),
    ...(late !== null && late >= 1 ? [`${late.toFixed(1)} s late`] : []),
    ...(overlapping === true ? ['the one before had not ended'] : []),
    ...(reason === null ? [] : [reason]),
  ];
  return [
    due_at === null ? 'by hand' : timeOf(due_at),
    timeOf(sent_at),
    state ?? outcome,
    task_id ?? '',
    notes.join('; '),
  ];
}

export async function add(tasks: PeriodicTasks, name: string, flags: Flags): Promise<void> {
  said('made', told(await tasks.create(newTaskOf(name, flags, now()))));
}

export async function set(tasks: PeriodicTasks, name: string, flags: Flags): Promise<void> {
  await change(tasks, name, 'changed', changeOf(flags, now()));
}

/** Says what it did. */
export async function change(
  tasks: PeriodicTasks,
  name: string,
  done: string,
  changes: Parameters<PeriodicTasks['change']>[1],
): Promise<void> {
  const { id, etag } = told(await tasks.named(name));
  said(done, told(await tasks.change(id, changes, (present) => present === etag)));
}

export async function remove(tasks: PeriodicTasks, name: string): Promise<void> {
  const { id, etag } = told(await tasks.named(name));
  told(await tasks.remove(id, (present) => present === etag));
  print(`deleted ${visible(name)}`);
}

/** @throws MonitorError also where no queue has taken it */
export async function run(tasks: PeriodicTasks, sendNow: SendNow, name: string, signal: AbortSignal): Promise<void> {
  const { id } = told(await tasks.named(name));
  const sent = await sendNow(id, signal);
  if (sent?.outcome !== 'sent') throw new MonitorError('BROKER_REFUSED', `no queue has taken it: ${sent?.reason}`);
  print(`sent ${visible(name)} as the task ${sent.task_id}`);
}

/** When a task, or a schedule that nobody has, is due. */
export async function next(tasks: PeriodicTasks, name: string | undefined, flags: Flags): Promise<void> {
  const count = Number(flags['count'] ?? FEW);
  if (!(Number.isInteger(count) && count >= 1 && count <= 1000)) {
    throw new MonitorError(
      'CONFIG_INVALID',
      `--count: got "${flags['count']}", expected a whole number from 1 to 1000`,
    );
  }
  const given = scheduleOf(flags, now());
  if ((given === null) === (name === undefined)) {
    throw new MonitorError('CONFIG_INVALID', 'expected the name of a task, or a schedule: --every, --crontab, …');
  }
  const start = { start_time: null, scheduled_at: now(), expires: null };
  const { schedule, unfit, ...timing } =
    name === undefined ? { schedule: given, unfit: null, ...start } : told(await tasks.named(name));
  const fault = given && faultOfSchedules([given]);
  if (fault) throw new MonitorError('CONFIG_INVALID', `${fault.field}: ${fault.message}`);
  if (unfit !== null || schedule === null) throw new MonitorError('CONFIG_INVALID', `it is never due: ${unfit}`);
  const dues = duesOf(schedule, timing, count);
  print(describeSchedule(schedule), ...(dues.length > 0 ? linesOf(dues) : ['never due again']));
}

type Span = Pick<PeriodicTaskRow, 'start_time' | 'scheduled_at' | 'expires'>;

function duesOf(schedule: Schedule, { start_time, scheduled_at, expires }: Span, count: number): DueTime[] {
  const timing = timingOf({ schedules: [schedule], start_time, scheduled_at: scheduled_at ?? 0, expires });
  return dueTimesAfter(timing, now(), count);
}

function linesOf(dues: readonly DueTime[]): string[] {
  return dues.map(({ local }) => `  ${local}`);
}

function said(done: string, { name, next_due, enabled, unfit }: PeriodicTaskRow): void {
  const state =
    unfit ?? (enabled ? (next_due === null ? 'never due again' : `next due ${timeOf(next_due)} UTC`) : 'disabled');
  print(`${done} ${visible(name)}: ${visible(state)}`);
}

/** What was answered. @throws MonitorError for a refusal */
export function told<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new MonitorError(answer.problem === 'unknown' ? 'TASK_UNKNOWN' : 'CONFIG_INVALID', answer.message);
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
