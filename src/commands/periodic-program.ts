/** The commands of `celerycam periodic`, and what each may be given. */
import type { Command } from 'commander';
import { type Config, type Flags, loadConfig } from '../config.ts';
import type { OptionGroup } from '../options.ts';
import { AsyncStack, now } from '../runtime.ts';
import type { Database } from '../store/database.ts';
import type { PeriodicTasks } from '../store/periodic-tasks.ts';
import { interruption } from './interruption.ts';
import { addOptions } from './options.ts';
import { SCHEDULE_FLAGS, SETTING_FLAGS } from './periodic-settings.ts';

const DATABASE: readonly OptionGroup[] = ['Database', 'Logging'];
const BROKER: readonly OptionGroup[] = ['Broker', 'Database', 'Logging'];

interface Given {
  readonly tasks: PeriodicTasks;
  readonly flags: Flags;
  /** Its argument, if it takes one. */
  readonly name: string | undefined;
  readonly database: Database;
  readonly config: Config;
}

type Work = (given: Given) => Promise<void>;

export function addPeriodic(program: Command): void {
  const periodic = program
    .command('periodic')
    .description('Periodic tasks, which `celerycam beat` sends: list, make, change, send and import them.')
    .summary('Periodic tasks: list, make, change, send and import them');

  withWork(
    periodic.command('list'),
    'List them, with when they are due and what became of them',
    async ({ tasks, flags }) => (await actions()).list(tasks, flags),
  )
    .option('--search <text>', 'those only that have this in their name, or in that of their task')
    .option('--json', 'print a JSON object for each, as /api/periodic-tasks has it');

  withWork(
    periodic.command('show <name>'),
    'Tell all of one: what is set, when it is due, its runs',
    async ({ tasks, flags, name }) => (await actions()).show(tasks, name as string, flags),
  ).option('--json', 'print a JSON object');

  const add = withWork(periodic.command('add <name>'), 'Make one', async ({ tasks, flags, name }) =>
    (await actions()).add(tasks, name as string, flags),
  ).option('--disabled', 'do not send it yet');
  addSettings(add);

  const set = withWork(
    periodic.command('set <name>'),
    'Change one; what is left out stays as it is',
    async ({ tasks, flags, name }) => (await actions()).set(tasks, name as string, flags),
  ).option('--name <name>', 'another name');
  addSettings(set);

  for (const [name, enabled, summary] of [
    ['enable', true, 'Send it again from now on'],
    ['disable', false, 'Send it no more'],
  ] as const) {
    withWork(periodic.command(`${name} <name>`), summary, async ({ tasks, name: task }) =>
      (await actions()).change(tasks, task as string, `${name}d`, { enabled }),
    );
  }

  withWork(
    periodic.command('run <name>'),
    'Send one now, whether it is due or not: Celery’s delay()',
    async ({ tasks, name, database, config }) => {
      const { createSender } = await import('../beating.ts');
      await (await actions()).run(tasks, createSender(config, database.knex), name as string, interruption());
    },
    BROKER,
  );

  withWork(periodic.command('delete <name>'), 'Delete one, and what is known of its runs', async ({ tasks, name }) =>
    (await actions()).remove(tasks, name as string),
  );

  const next = withWork(
    periodic.command('next [name]'),
    'Tell when a task, or any schedule, is due',
    async ({ tasks, flags, name }) => (await actions()).next(tasks, name, flags),
  ).option('--count <n>', 'how many due times (default: 10)');
  addSchedule(next);

  withWork(
    periodic.command('import [file]'),
    'Take over what Celery’s beat sends; says first what it would do',
    async ({ tasks, flags, name, database }) => {
      const { importTasks } = await import('./periodic-import.ts');
      await importTasks(tasks, database, name, flags);
    },
  )
    .option('--apply', 'do it')
    .option('--overwrite', 'also where there is a task of that name that differs')
    .option('--from <url>', 'database of Django’s tables, postgres://… (default: the same as celerycam’s)')
    .option('--from-schema <name>', 'their schema, where there are several')
    .option('--timezone <zone>', 'that of crontabs in tables that have no zone, CELERY_TIMEZONE (default: UTC)')
    .addHelpText('after', IMPORT_HELP);
}

const IMPORT_HELP = `
Without a file: from the tables django_celery_beat_* or djcelery_*. With a file (- for standard input): a beat_schedule as
JSON, {"name": {"task": …, "schedule": 30.0 or {"minute": "0", "hour": "4"}, "args": […], "kwargs": {…}, "options": {…}}}.
docs/periodic-tasks.md tells more.`;

async function actions() {
  return import('./periodic.ts');
}

/** Opens the database for it, set up as this program needs it. */
function withWork(command: Command, summary: string, work: Work, groups = DATABASE): Command {
  command.description(`${summary}.`).summary(summary);
  addOptions(command, groups);
  return command.action(async (...given: readonly unknown[]) => {
    const flags = command.opts<Flags>();
    const config = loadConfig(flags, process.env, groups);
    const { openConfigured } = await import('../store/configured.ts');
    const { migrateUp } = await import('../store/migrate.ts');
    const { createPeriodicTasks } = await import('../store/periodic-tasks.ts');
    await using stack = new AsyncStack();
    const database = await openConfigured(config.database, stack);
    await migrateUp(database);
    const [name] = given;
    const tasks = createPeriodicTasks(database.knex, now);
    await work({ tasks, flags, name: typeof name === 'string' ? name : undefined, database, config });
  });
}

function addSettings(command: Command): void {
  addSchedule(command);
  for (const [field, { value, doc }] of Object.entries(SETTING_FLAGS)) {
    command.option(`--${field.replaceAll('_', '-')} <${value}>`, doc);
  }
}

function addSchedule(command: Command): void {
  for (const [name, { value, doc }] of Object.entries(SCHEDULE_FLAGS)) command.option(`--${name} <${value}>`, doc);
  command.option('--timezone <zone>', 'that of the crontab, such as Europe/Berlin (default: UTC)');
}
