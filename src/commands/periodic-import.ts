/** `celerycam periodic import`: from the tables of Django, or from a `beat_schedule`. Says of each what it does, before it does it. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import type { Flags } from '../config.ts';
import { beatSchedule, fromBeatEntry } from '../contract/beat-schedule.ts';
import { faultIn } from '../contract/fault.ts';
import { type NewPeriodicTask, newPeriodicTask } from '../contract/periodic.ts';
import { DEFAULT_SETTINGS, faultsOf, type PeriodicDefinition } from '../domain/periodic.ts';
import { describeSchedule } from '../domain/schedule.ts';
import { MonitorError, reasonOf } from '../errors.ts';
import { databaseUrl } from '../option-values.ts';
import { AsyncStack } from '../runtime.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { type ForeignTask, foreignTables, readForeign } from '../store/foreign-periodic.ts';
import type { PeriodicTasks } from '../store/periodic-tasks.ts';
import { table } from './table.ts';

/** A task elsewhere. */
interface Found {
  readonly name: string;
  /** What it sets, or why it cannot be read. */
  readonly settings: Readonly<Record<string, unknown>> | string;
  readonly counters?: Pick<ForeignTask, 'last_run_at' | 'total_run_count'>;
}

/** What is to be done about it. */
type Step = Found & { readonly note: string } & (
    | { readonly action: 'add'; readonly settings: NewPeriodicTask }
    | { readonly action: 'overwrite'; readonly settings: NewPeriodicTask; readonly id: number }
    | { readonly action: 'same' | 'differs' | 'skip' }
  );

const WARNING = `
Do not run Celery's beat and celerycam's on the same tasks: each would send them. Stop Celery's first, then start
\`celerycam beat\`. What was due in between is not made up: an imported task is due from its import on.
`;

export async function importTasks(
  tasks: PeriodicTasks,
  database: Database,
  file: string | undefined,
  flags: Flags,
): Promise<void> {
  const found = file === undefined ? await fromTables(database, flags) : await fromFile(file);
  const steps: Step[] = [];
  for (const each of found) steps.push(await stepFor(tasks, each, flags['overwrite'] === true));
  const lines = table(steps.map(({ action, name, note }) => [action, name, note]));
  for (const [n, step] of steps.entries()) {
    const failure = flags['apply'] === true ? await take(tasks, database, step) : null;
    process.stdout.write(`${lines[n]}${failure === null ? '' : `: FAILED, ${failure}`}\n`);
  }
  const count = (action: Step['action']): number => steps.filter((step) => step.action === action).length;
  const done = `${count('add')} added, ${count('overwrite')} overwritten, ${count('same')} the same, ${count('differs')} left as they differ, ${count('skip')} skipped`;
  process.stdout.write(
    flags['apply'] === true ? `${done}\n` : `would be: ${done}. Nothing was changed; --apply does it\n`,
  );
  process.stderr.write(WARNING);
}

async function fromTables({ knex, schema }: Database, flags: Flags): Promise<Found[]> {
  await using stack = new AsyncStack();
  const { from, fromSchema, timezone = 'UTC' } = flags;
  const url = from === undefined ? null : databaseUrl.safeParse(from).data;
  if (url === undefined || (url === null && from !== undefined)) {
    throw new MonitorError('CONFIG_INVALID', '--from: expected postgres://user:password@host/database');
  }
  const db = url === null ? knex : stack.use(await openDatabase({ url, schema: 'public' })).knex;
  const all = await foreignTables(db, url === null ? schema : '');
  const there = all.filter((each) => fromSchema === undefined || each.schema === fromSchema);
  const [only, ...others] = there;
  if (!only || others.length > 0) {
    const expected = 'expected django_celery_beat_periodictask or djcelery_periodictask in one schema';
    const which = there.map((each) => `${each.schema}.${each.prefix}_periodictask`).join(', ') || 'none';
    throw new MonitorError('CONFIG_INVALID', `${expected}, found ${which}: see --from and --from-schema`);
  }
  const rows = await readForeign(db, only, String(timezone));
  return rows.map(({ name, settings, ...counters }) => ({ name, settings, counters }));
}

async function fromFile(file: string): Promise<Found[]> {
  const content = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((cause: unknown) => {
    throw new MonitorError('FILE_UNREADABLE', `${file} could not be read: ${reasonOf(cause)}`, { cause });
  });
  let given: unknown;
  try {
    given = JSON.parse(content);
  } catch (cause) {
    throw new MonitorError('CONFIG_INVALID', `${file} is no JSON: ${reasonOf(cause)}`, { cause });
  }
  const read = beatSchedule.safeParse(given);
  if (!read.success) throw new MonitorError('CONFIG_INVALID', `${file}: expected ${read.error.issues[0]?.message}`);
  return Object.entries(read.data).map(([name, entry]) => ({ name, settings: fromBeatEntry(name, entry) }));
}

async function stepFor(tasks: PeriodicTasks, found: Found, overwrite: boolean): Promise<Step> {
  if (typeof found.settings === 'string') return { ...found, action: 'skip', note: found.settings };
  const read = newPeriodicTask.safeParse(found.settings);
  if (!read.success) return { ...found, action: 'skip', note: faultIn(read.error).error };
  const settings = { ...DEFAULT_SETTINGS, ...read.data };
  const [fault] = faultsOf({ ...settings, schedules: [settings.schedule] } as PeriodicDefinition);
  if (fault) return { ...found, action: 'skip', note: `${fault.field}: ${fault.message}` };
  const known = await tasks.named(found.name);
  if (!known.ok) {
    const note = `${settings.task}, ${describeSchedule(settings.schedule)}${settings.enabled ? '' : ', disabled'}`;
    return { ...found, action: 'add', settings, note };
  }
  const present: Readonly<Record<string, unknown>> = known.value;
  const other = Object.entries(settings).filter(([field, value]) => !isDeepStrictEqual(present[field], value));
  const fields = other.map(([field]) => field).join(', ');
  if (other.length === 0) return { ...found, action: 'same', note: '' };
  return overwrite
    ? { ...found, action: 'overwrite', settings, id: known.value.id, note: fields }
    : { ...found, action: 'differs', note: `${fields}: --overwrite takes it over` };
}

/** Does it. Null, or why it could not be done. */
async function take(tasks: PeriodicTasks, { knex }: Database, step: Step): Promise<string | null> {
  switch (step.action) {
    case 'add': {
      const made = await tasks.create(step.settings);
      if (!made.ok) return made.message;
      // Afterwards, so that nothing from before is made up: Celery has sent it, or nobody.
      const { last_run_at = null, total_run_count = 0 } = step.counters ?? {};
      const time = last_run_at === null ? null : knex.raw('to_timestamp(?)', [last_run_at]);
      await knex('djcelery_periodictask').where({ id: made.value.id }).update({ last_run_at: time, total_run_count });
      return null;
    }
    case 'overwrite': {
      const changed = await tasks.change(step.id, step.settings, () => true);
      return changed.ok ? null : changed.message;
    }
    case 'same':
    case 'differs':
    case 'skip':
      return null;
  }
}
