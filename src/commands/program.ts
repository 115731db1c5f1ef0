/** The commands, what each may be given, and its help. What a command does is loaded when it is asked for. */
import { Command } from 'commander';
import { type Flags, loadConfig } from '../config.ts';
import { createLog } from '../log.ts';
import type { OptionGroup } from '../options.ts';
import { AsyncStack } from '../runtime.ts';
import { VERSION } from '../version.ts';
import { interruption } from './interruption.ts';
import { addOptions } from './options.ts';
import { addPeriodic } from './periodic-program.ts';

const EVERYTHING: readonly OptionGroup[] = [
  ...([
    'Broker',
    'Database',
    'Camera and retention',
    'Results',
    'Memory',
    'Periodic tasks',
    'HTTP',
    'Redaction',
    'Logging',
  ] as const),
];
const DUMP: readonly OptionGroup[] = ['Broker', 'Memory', 'Redaction', 'Logging'];
const BROKER: readonly OptionGroup[] = ['Broker', 'Memory', 'Logging'];
const DATABASE: readonly OptionGroup[] = ['Database', 'Logging'];
const BEAT: readonly OptionGroup[] = ['Broker', 'Database', 'Periodic tasks', 'Logging'];
const NO_BROKER = EVERYTHING.filter((group) => group !== 'Broker');
const DOCTOR: readonly OptionGroup[] = ['Broker', 'Database', 'Logging'];

/** Throws a CommanderError for what was asked wrongly, MonitorErrors for what failed. */
export function createProgram(): Command {
  const program = new Command('celerycam')
    .description('Records what a Celery cluster does, and shows it: live, now and at any moment in the past.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this; after a command: its options')
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || 110, 130) })
    .showSuggestionAfterError()
    .addHelpText('after', `\nOptions of \`run\`, which is what happens without a command: celerycam run --help`)
    .exitOverride();

  const run = subcommand(program, 'run', EVERYTHING, 'Record and serve; this is what happens without a command');
  run.action(async (flags: Flags) => {
    const config = loadConfig(flags, process.env);
    const { run } = await import('../app.ts');
    await run(config, createLog(config.log), interruption());
  });

  subcommand(program, 'beat', BEAT, 'Send periodic tasks when they are due; of any number of these one does').action(
    async (flags: Flags) => {
      const config = loadConfig(flags, process.env, BEAT);
      const { beat } = await import('./beat.ts');
      const { openConfigured } = await import('../store/configured.ts');
      await using stack = new AsyncStack();
      const database = await openConfigured(config.database, stack);
      await beat(config, database, createLog(config.log), interruption());
    },
  );

  subcommand(program, 'dump', DUMP, 'Print events as they come, one JSON object per message and line').action(
    async (flags: Flags) => {
      const config = loadConfig(flags, process.env, DUMP);
      const { dump } = await import('./dump.ts');
      await dump(config, createLog(config.log), interruption());
    },
  );

  program
    .command('replay')
    .summary('Fold a file of dumped events, and print the state that they lead to')
    .description('Folds what `celerycam dump` printed, without broker or database, and prints the state it leads to.')
    .argument('<file>', 'file of JSON lines; - for standard input')
    .option('--json', 'print everything as one JSON object instead of a summary')
    .option('--diff', 'print where Celery’s own fold and ours disagree, and why; exit 1 where nothing explains it')
    .option('--fold <name>', 'how events become state: strict or celery', 'strict')
    .option('--max-tasks <n>', 'tasks in memory at most; more than that are dropped, finished ones first', '1000000')
    .action(async (file: string, flags: Flags) => {
      const { replay, replayOptions } = await import('./replay.ts');
      await replay(file, replayOptions(flags));
    });

  subcommand(program, 'explain', DATABASE, 'Tell what each recorded event of a task did, and why it is in its state')
    .argument('<uuid>', 'the task')
    .option('--cluster <name>', 'of this cluster only')
    .option('--json', 'print a JSON object for each cluster that knows the task')
    .action(async (uuid: string, flags: Flags) => {
      const { cluster, json, ...rest } = flags;
      const config = loadConfig(rest, process.env, DATABASE);
      const { explainTask } = await import('./explain.ts');
      const { openConfigured } = await import('../store/configured.ts');
      await using stack = new AsyncStack();
      const database = await openConfigured(config.database, stack);
      await explainTask(database, uuid, { cluster: typeof cluster === 'string' ? cluster : null, json: json === true });
    });

  const migrate = program.command('migrate').description('Set up the database, take that back, or tell how it stands');
  for (const [name, summary] of [
    ['up', 'Apply what is missing (`run` does this by itself)'],
    ['down', 'Take back the newest migration, and lose what its tables hold'],
    ['status', 'Tell what is applied and what is not'],
  ] as const) {
    const command = subcommand(migrate, name, DATABASE, summary);
    if (name === 'down') command.option('--all', 'take back every migration: nothing remains');
    command.action(async (flags: Flags) => {
      const config = loadConfig(flags, process.env, DATABASE);
      const { migrate } = await import('./migrate.ts');
      const { openConfigured } = await import('../store/configured.ts');
      await using stack = new AsyncStack();
      await migrate(await openConfigured(config.database, stack), name, flags['all'] === true);
    });
  }

  const token = program.command('token').description('Give out tokens to log in with, list them, or take them back');
  for (const [name, summary] of [
    ['create', 'Make a token, and print it: this once'],
    ['list', 'List the tokens'],
    ['revoke', 'Take a token back; within seconds it is good for nothing'],
  ] as const) {
    const command = subcommand(token, name, DATABASE, summary);
    if (name !== 'list') command.requiredOption('--name <name>', 'what the token is called');
    if (name === 'create') command.option('--role <role>', 'viewer or operator', 'viewer');
    command.action(async ({ name: called, role, ...flags }: Flags) => {
      const config = loadConfig(flags, process.env, DATABASE);
      const { token } = await import('./token.ts');
      const { openConfigured } = await import('../store/configured.ts');
      await using stack = new AsyncStack();
      await token(await openConfigured(config.database, stack), name, String(called ?? ''), role);
    });
  }

  addPeriodic(program);

  subcommand(program, 'doctor', DOCTOR, 'Look whether all is set up, and say what to type where it is not').action(
    async (flags: Flags) => {
      const config = loadConfig(flags, process.env, DOCTOR);
      const { doctor } = await import('./doctor.ts');
      const { lookAtDatabase } = await import('./database.ts');
      await using stack = new AsyncStack();
      const well = await doctor(config, () => lookAtDatabase(config.database, stack), interruption());
      process.exitCode = well ? 0 : 1;
    },
  );

  subcommand(program, 'demo', EVERYTHING, 'Show a simulated cluster, or publish it to a broker as load')
    .option('--to <url>', 'publish to this broker instead of showing')
    .option('--rate <n>', 'tasks per second (default: 20)')
    .option('--workers <n>', 'workers (default: 3)')
    .option('--tasks <names>', 'task names, the most frequent first, with commas between')
    .option('--failures <share>', 'share of tasks that fail, 0 to 1 (default: 0.05)')
    .option('--retries <share>', 'share of tasks that are retried, 0 to 1 (default: 0.05)')
    .option('--no-lists', 'send every event as a message of its own')
    .option('--seed <n>', 'the same seed makes the same cluster (default: 1)')
    .option('--count <n>', 'stop after so many tasks')
    .action(async (flags: Flags) => {
      const { publishDemo, simulationOf } = await import('./demo.ts');
      const simulation = simulationOf(flags);
      if (flags['to'] === undefined) {
        const config = loadConfig(flags, process.env, NO_BROKER);
        const { run } = await import('../app.ts');
        await run({ ...config, simulation }, createLog(config.log), interruption());
        return;
      }
      const config = loadConfig({ ...flags, broker: [flags['to']] }, process.env, BROKER);
      const [broker] = config.brokers;
      if (broker) await publishDemo(broker, simulation, createLog(config.log), interruption());
    });

  return program;
}

/** A command with options of the table; its help ends in examples where there are some. */
function subcommand(parent: Command, name: string, groups: readonly OptionGroup[], summary: string): Command {
  const command = parent
    .command(name, { isDefault: name === 'run' })
    .description(`${summary}.`)
    .summary(summary);
  addOptions(command, groups);
  const examples = EXAMPLES[name];
  if (examples) command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
  return command;
}

const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  run: [
    '$ celerycam                                          # Celery’s default broker, or a simulated cluster',
    '$ celerycam --broker amqp://user:pass@rabbit:5672//  # guest mode: nothing is left behind in the broker',
    '$ celerycam --queue celerycam --database postgres://user:pass@db/monitor   # durable mode: no event is lost',
    '$ celerycam --broker eu=amqp://eu-rabbit// --broker us=amqp://us-rabbit//  # two clusters',
    '',
    'Each option may also be given as a variable (--max-tasks: CELERYCAM_MAX_TASKS) or in the file of --config.',
    'CELERY_BROKER_URL and DATABASE_URL are understood as well.',
  ],
  demo: [
    '$ celerycam demo --rate 200                          # http://127.0.0.1:5555 shows a busy cluster',
    '$ celerycam demo --to amqp://localhost// --rate 5000 --count 100000   # a load test for whoever listens there',
  ],
  dump: ['$ celerycam dump --broker amqp://rabbit// > events.jsonl', '$ celerycam dump | celerycam replay -'],
};
