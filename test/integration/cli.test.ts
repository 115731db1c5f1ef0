import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { CeleryApp } from '../support/celery-app.ts';
import { scratch } from '../support/scratch.ts';
import { freshDatabase, freshVhost, rabbitmqctl } from '../support/services.ts';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;
const FIXTURE = new URL('../fixtures/celery/mixed.jsonl', import.meta.url).pathname;

beforeAll(() => {
  if (!existsSync(CLI)) throw new Error('the program is not built: type `npm run build` first');
});

/** Starts the program with nothing of this environment but what it needs. */
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
  const home = scratch();
  return spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env['PATH'], HOME: home, ...env } });
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  const out = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...out };
}

function celerycam(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): Promise<Outcome> {
  const child = start(args, env);
  child.stdin.on('error', () => {}).end(input);
  return outcomeOf(child);
}

/** Waits until a text appears on one of the program's outputs. */
async function says(
  child: ChildProcessWithoutNullStreams,
  text: string,
  stream: 'stdout' | 'stderr' = 'stderr',
): Promise<void> {
  let said = '';
  for await (const [chunk] of onData(child[stream])) {
    said += chunk;
    if (said.includes(text)) return;
  }
  throw new Error(`it ended without saying "${text}":\n${said}`);
}

async function* onData(stream: NodeJS.ReadableStream): AsyncGenerator<[string]> {
  const queue: string[] = [];
  let wake = (): void => {};
  let ended = false;
  stream.on('data', (chunk) => {
    queue.push(String(chunk));
    wake();
  });
  stream.on('end', () => {
    ended = true;
    wake();
  });
  while (true) {
    for (let text = queue.shift(); text !== undefined; text = queue.shift()) yield [text];
    if (ended) return;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

function fileOf(...lines: readonly (string | Buffer)[]): string {
  const path = join(scratch(), 'events.jsonl');
  writeFileSync(path, Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])));
  return path;
}

function received(uuid: string, more: object = {}): string {
  const event = {
    type: 'task-received',
    uuid,
    name: 'n',
    hostname: 'w@h',
    timestamp: 10,
    clock: 1,
    pid: 1,
    utcoffset: 0,
    ...more,
  };
  return JSON.stringify({ routing_key: 'task.received', headers: {}, body: event, local_received: 11 });
}

describe('asking', () => {
  test('for help and the version', async () => {
    const help = await celerycam(['--help']);
    expect(help.code).toBe(0);
    for (const name of ['run', 'dump', 'replay', 'migrate', 'token', 'demo', 'doctor', 'beat', 'periodic'])
      expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect((await celerycam(['run', '--help'])).stdout).toMatch(/Camera and retention:\n {2}--frequency <time>/);
    expect(await celerycam(['--version'])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  test.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['run', '--prot', '1'], 'Did you mean --port?'],
    [['--port', 'x'], '--port: got "x", expected a whole number from 0 to 65535'],
    [['demo', '--rate', 'fast'], '--rate: got "fast", expected tasks per second, such as 100'],
    [['demo', '--failures', '2'], '--failures: got "2", expected a share from 0 to 1, such as 0.05'],
    [['replay'], "missing required argument 'file'"],
    [['replay', FIXTURE, '--fold', 'magic'], '--fold: got "magic", expected strict or celery'],
    [['dump', '--broker', 'redis://:s3cret@h'], 'brokers of type redis are not supported yet'],
  ])('wrongly: %j', async (args, complaint) => {
    const { code, stderr } = await celerycam(args);
    expect(stderr).toContain(complaint);
    expect(stderr).not.toContain('s3cret');
    expect(code).toBe(2);
  });
});

describe('replay', () => {
  test('prints everything as one JSON object', async () => {
    const { code, stdout, stderr } = await celerycam(['replay', FIXTURE, '--fold', 'celery', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as Record<string, unknown[]>;
    expect(Object.keys(report)).toEqual(
      expect.arrayContaining(['event_count', 'task_count', 'tasks', 'tasks_by_time', 'task_types', 'workers']),
    );
    expect(report['event_count']).toBe(1370);
    expect(report['tasks']?.length).toBe(report['tasks_by_time']?.length);
  });

  test('shows where the two folds disagree, and why', async () => {
    const { code, stdout, stderr } = await celerycam(['replay', FIXTURE, '--diff']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ {2}state +celery "STARTED", strict "REJECTED": S1$/m);
    expect(stdout).toMatch(/^ +5 {2}S1: REJECTED ranks below/m);
    // What memory would drop is compared, too.
    expect(await celerycam(['replay', FIXTURE, '--diff', '--max-tasks', '20'])).toEqual({ code, stdout, stderr });
    const canvas = FIXTURE.replace('mixed', 'canvas');
    expect(await celerycam(['replay', canvas, '--diff'])).toEqual({ code: 0, stdout: 'no difference\n', stderr: '' });
    const json = await celerycam(['replay', FIXTURE, '--diff', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ rules: { S1: { count: 5 } }, unexplained: 0 });
  });

  test('tells runs by default', async () => {
    const { stdout } = await celerycam(['replay', FIXTURE, '--json']);
    const { tasks } = JSON.parse(stdout) as { tasks: { state: string; runs: { state: string }[] }[] };
    expect(tasks.some(({ runs }) => runs.length > 1 && runs[0]?.state === 'RETRY')).toBe(true);
  });

  test('prints a summary, also of standard input', async () => {
    const input = [received('a'), received('b')].join('\n');
    const { code, stdout } = await celerycam(['replay', '-'], {}, input);
    expect(code).toBe(0);
    expect(stdout).toContain('2 events, 2 tasks of 1 name, 1 worker');
    expect(stdout).toMatch(/^ {2}RECEIVED {2}2$/m);
  });

  test('tells of what it cannot decode with its line, and folds the rest', async () => {
    const good = JSON.parse(received('list')) as { body: object };
    const file = fileOf(
      received('a'),
      '{"body": ',
      JSON.stringify({ ...good, body: [7, good.body, { no: 'type' }] }),
      '',
      '[]',
      '{"body": null}',
      Buffer.from([0x22, 0xff, 0x22]),
      received('z', { args: '\u2028' }),
      received('cr').concat('\r'),
      '{"body": {"type": "task-succeeded", "uuid": "a", "runtime": NaN, "timestamp": 12, "hostname": "w@h", "clock": 3}}',
    );
    const { code, stdout, stderr } = await celerycam(['replay', file, '--json']);
    expect(code).toBe(0);
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => line.split(':', 1)[0]),
    ).toEqual(['line 2', 'line 3', 'line 3', 'line 5', 'line 6', 'line 7']);
    expect(stderr).toContain(
      'line 3: element 1 of the body is a number; expected an event: an object with a string "type"',
    );
    const { tasks } = JSON.parse(stdout) as { tasks: { uuid: string }[] };
    expect(tasks.map(({ uuid }) => uuid).sort()).toEqual(['a', 'cr', 'list', 'z']);
  });

  test('local_received may be a list beside a list, and absent', async () => {
    const beat = (timestamp: number) => ({
      type: 'worker-heartbeat',
      hostname: 'w@h',
      timestamp,
      clock: 1,
      pid: 1,
      utcoffset: 0,
      freq: 2,
    });
    const file = fileOf(
      JSON.stringify({ body: [beat(100), beat(102)], local_received: [100.5, 102.5] }),
      JSON.stringify({ body: beat(104) }),
    );
    const { workers } = JSON.parse((await celerycam(['replay', file, '--fold', 'celery', '--json'])).stdout) as {
      workers: unknown[];
    };
    expect(workers).toMatchObject([{ heartbeats: [100.5, 102.5, 104] }]);
  });

  test('says so when there were more tasks than it may hold', async () => {
    const input = [received('a'), received('b'), received('c')].join('\n');
    const { code, stdout, stderr } = await celerycam(['replay', '-', '--max-tasks', '2'], {}, input);
    expect(code).toBe(0);
    expect(stdout).toContain('1 unfinished task dropped');
    expect(stderr).toContain('more than 2 tasks');
  });

  test.each(['/nowhere.jsonl', tmpdir()])('a file that cannot be read is a failure: %s', async (path) => {
    const { code, stderr } = await celerycam(['replay', path]);
    expect(code).toBe(1);
    expect(stderr).toContain(`celerycam: ${path} could not be read: `);
  });
});

describe('with a broker', () => {
  test('what demo publishes, dump prints and replay folds; dump ends at SIGTERM', async () => {
    await using vhost = await freshVhost();
    const dump = start(['dump', '--broker', vhost.url, '--routing-key', '#']);
    const dumped = outcomeOf(dump);
    await says(dump, 'consuming');
    // Workers say goodbye at the end of a simulation that has one.
    const done = says(dump, 'worker.offline', 'stdout');
    const demo = await celerycam(['demo', '--to', vhost.url, '--count', '200', '--rate', '1000', '--workers', '1']);
    expect(demo.code).toBe(0);
    await done;
    dump.kill('SIGTERM');
    const { code, stdout } = await dumped;
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const line of lines) expect(Object.keys(line)).toEqual(['routing_key', 'headers', 'body', 'local_received']);
    expect(lines.some(({ body }) => Array.isArray(body))).toBe(true);
    const replay = await celerycam(['replay', '-', '--json'], {}, stdout);
    expect(replay).toMatchObject({ code: 0, stderr: '' });
    expect((JSON.parse(replay.stdout) as { tasks: unknown[] }).tasks.length).toBeGreaterThanOrEqual(200);
  });

  test('dump ends quietly when nobody reads on', async () => {
    await using vhost = await freshVhost();
    const dump = start(['dump', '--broker', vhost.url]);
    const ended = outcomeOf(dump);
    await says(dump, 'consuming');
    dump.stdout.destroy();
    await celerycam(['demo', '--to', vhost.url, '--count', '20', '--rate', '1000']);
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain('EPIPE');
  });

  test('doctor: no worker, then one whose task events are on', async () => {
    await using vhost = await freshVhost();
    await using database = await freshDatabase();
    const ask = ['doctor', '--broker', vhost.url, '--database', database.url];
    const alone = await celerycam(ask);
    expect(alone.code).toBe(1);
    expect(alone.stdout).toContain('✓ the broker answers: RabbitMQ');
    expect(alone.stdout).toContain('✗ no worker answers, and none sent a heartbeat');
    expect(alone.stdout).toContain('→ celery -A proj worker -E');
    await using app = new CeleryApp(vhost.url);
    await app.startWorker('w1@doctor');
    const visit = celerycam([...ask, '--queue', 'wanted']);
    const { code, stdout } = await visit;
    expect(stdout).toContain('✓ w1@doctor answered');
    expect(stdout).toContain('✓ the clocks agree within 0.');
    expect(stdout).toContain('✓ task-sent events are on');
    expect(stdout).toContain('· the queue "wanted" does not exist yet');
    expect(stdout).toMatch(/✓ the database answers: PostgreSQL \d+/);
    expect(stdout).toContain('· the schema "celerycam" is not set up yet');
    // Started with -E, which only task events show: idle, it may as well be off.
    expect(stdout).toContain('· task events: worker_send_task_events is not set at w1@doctor');
    expect(code).toBe(0);
  });

  test('doctor: a user who may do nothing, until what it says is typed', async () => {
    await using vhost = await freshVhost();
    const name = new URL(vhost.url).pathname.slice(1);
    await rabbitmqctl('add_user', name, 'pw');
    try {
      await rabbitmqctl('set_permissions', '-p', name, name, '', '', '');
      const url = new URL(vhost.url);
      [url.username, url.password] = [name, 'pw'];
      const ask = ['doctor', '--broker', url.href, '--data-dir', join(scratch(), 'data')];
      const { stdout } = await celerycam(ask);
      expect(stdout).toContain(`access to exchange 'celeryev' in vhost '${name}' refused for user '${name}'`);
      const [, permissions = ''] = /set_permissions -p '\w+' '\w+' '(\S+)'/.exec(stdout) ?? [];
      await rabbitmqctl('set_permissions', '-p', name, name, permissions, permissions, permissions);
      expect((await celerycam(ask)).stdout).toContain('✗ no worker answers, and none sent a heartbeat');
    } finally {
      await rabbitmqctl('delete_user', name);
    }
  });

  test('doctor starts no database that was never started', async () => {
    const dataDir = join(scratch(), 'data');
    const { stdout } = await celerycam(['doctor', '--broker', 'amqp://127.0.0.1:1//', '--data-dir', dataDir]);
    expect(stdout).toContain('· the embedded Postgres is not set up yet');
    expect(existsSync(dataDir)).toBe(false);
  });

  test('doctor: periodic tasks that nobody sends', async () => {
    await using database = await freshDatabase();
    const env = { DATABASE_URL: database.url, CELERYCAM_BROKER: 'amqp://127.0.0.1:1//' };
    await celerycam(['migrate', 'up'], env);
    expect((await celerycam(['doctor'], env)).stdout).not.toContain('periodic');
    await celerycam(['periodic', 'add', 'sweep', '--task', 'shop.sweep', '--every', '1h'], env);
    const { code, stdout } = await celerycam(['doctor'], env);
    expect(code).toBe(1);
    expect(stdout).toContain('✗ one periodic task is enabled, and no beat leads: nothing is sent');
    expect(stdout).toContain('→ celerycam beat, or celerycam run --beat');
  });

  test('doctor: nobody there', async () => {
    const { code, stdout } = await celerycam([
      ...['doctor', '--broker', 'amqp://me:s3cret@127.0.0.1:1//'],
      ...['--database', 'postgres://me:s3cret@127.0.0.1:1/db'],
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain('✗ no broker answers at amqp://me:***@127.0.0.1:1/');
    expect(stdout).toContain('✗ the database at postgres://me:***@127.0.0.1:1/db could not be reached');
    expect(stdout).not.toContain('s3cret');
  });
});

test('a beat refuses a simulated cluster', async () => {
  await using database = await freshDatabase();
  const { code, stderr } = await celerycam(['demo', '--beat', '--port', '0', '--database', database.url]);
  expect(stderr).toContain('--beat: there is no broker to send periodic tasks to, only a simulated cluster');
  expect(code).toBe(2);
});

test('migrate up, status, down', async () => {
  await using database = await freshDatabase();
  const migrate = (...args: string[]) => celerycam(['migrate', ...args], { DATABASE_URL: database.url });
  expect((await migrate('status')).stdout).toMatch(
    /^pending 001_journal\n(.*\n)*schema celerycam: 0 applied, \d+ pending\n$/,
  );
  expect((await migrate('up')).stdout).toMatch(
    /^applied 001_journal\n(.*\n)*schema celerycam: \d+ applied, up to date\n$/,
  );
  expect((await migrate('up')).stdout).toMatch(/^schema celerycam: \d+ applied, up to date\n$/);
  const { code, stdout } = await migrate('down', '--all');
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/^taken back (.*\n)+schema celerycam: 0 applied, \d+ pending\n$/),
  ]);
});

describe('run', () => {
  test('serves while it records, and stops in order at SIGTERM', async () => {
    await using vhost = await freshVhost();
    await using database = await freshDatabase();
    const child = start(['--broker', vhost.url, '--port', '0'], { DATABASE_URL: database.url });
    const ended = outcomeOf(child);
    await says(child, '"consuming"');
    child.kill('SIGTERM');
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).toEqual([0, '']);
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ level }) => level)).not.toContain('error');
    expect(lines.find(({ msg }) => msg === 'serving')).toMatchObject({
      url: expect.stringMatching(/^http:\/\/127.0.0.1:\d+$/),
    });
    expect(stderr).not.toContain(':guest@');
  });

  test('with no database configured it keeps its own, which survives a restart', async () => {
    const dataDir = join(scratch(), 'data');
    const demo = () => celerycam(['demo', '--port', '0', '--rate', '200', '--count', '50', '--data-dir', dataDir]);
    const first = await demo();
    expect(first.code).toBe(0);
    const position = ({ stderr }: Outcome): number => {
      const serving = stderr.split('\n').find((line) => line.includes('"serving"')) ?? '{}';
      return (JSON.parse(serving) as { position: number }).position;
    };
    expect(position(first)).toBe(0);
    expect(position(await demo())).toBeGreaterThan(200);
  });

  test('a failure is one sentence and exit code 1', async () => {
    const refused = await celerycam(['--database', 'postgres://me:s3cret@127.0.0.1:1/db']);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^celerycam: the database at postgres:\/\/me:\*\*\*@127.0.0.1:1\/db could not be reached: .*\n$/,
    );
  });
});

describe('celerycam token', () => {
  test('gives a token once, lists it without, and takes it back; with one, the program listens to everybody', async () => {
    await using database = await freshDatabase();
    const to = ['--database', database.url];
    const open = ['run', ...to, '--host', '0.0.0.0', '--port', '0', '--log-format', 'json'];
    const refused = await celerycam(open);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--host 0.0.0.0: whoever reaches')]);

    const created = await celerycam(['token', 'create', '--name', 'grafana', '--role', 'operator', ...to]);
    expect([created.code, created.stdout]).toEqual([0, expect.stringMatching(/^ccam_[\w-]{43}\n$/)]);
    const taken = await celerycam(['token', 'create', '--name', 'grafana', ...to]);
    expect([taken.code, taken.stderr]).toEqual([
      2,
      expect.stringContaining('there is a token called "grafana" already'),
    ]);
    const listed = await celerycam(['token', 'list', ...to]);
    expect(listed.stdout).toMatch(/^grafana\toperator\tcreated 2\S+Z\n$/);

    const running = start(open);
    await says(running, '"serving"');
    running.kill('SIGTERM');
    await once(running, 'close');

    expect((await celerycam(['token', 'revoke', '--name', 'grafana', ...to])).stdout).toBe('revoked grafana\n');
    expect((await celerycam(['token', 'list', ...to])).stdout).toMatch(/, revoked 2\S+Z\n$/);
    const unknown = await celerycam(['token', 'revoke', '--name', 'grafana', ...to]);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there is no token called "grafana"')]);
    expect((await celerycam(open)).code).toBe(2);
  });

  test('what is wrong with a role or a name is said', async () => {
    await using database = await freshDatabase();
    const to = ['--database', database.url];
    const role = await celerycam(['token', 'create', '--name', 'a', '--role', 'king', ...to]);
    expect([role.code, role.stderr]).toEqual([2, 'celerycam: --role: got "king", expected viewer or operator\n']);
    const name = await celerycam(['token', 'create', '--name', '\n', ...to]);
    expect([name.code, name.stderr]).toEqual([2, expect.stringContaining('--name: expected 1 to 64 letters')]);
  });
});
