/**
 * Finds the servers that integration tests need, or starts them: named in the environment, else on their standard ports,
 * else by Docker, else from Debian's packages. Where none of this works it says what is missing and the run fails.
 */
import { execFile, execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import amqp from 'amqplib';
import pg from 'pg';
import { CHROMIUM } from './browser.ts';
import { PYTHON } from './services.ts';

const exec = promisify(execFile);
const COMPOSE = ['compose', '--project-name', 'celerycam-test', '--file', 'docker-compose.yml'];
const STANDARD_DATABASES = [
  'postgres://postgres@127.0.0.1:5432/postgres',
  'postgres://postgres:postgres@127.0.0.1:5432/postgres',
];
const STANDARD_BROKER = 'amqp://guest:guest@127.0.0.1:5672/';

/** Stops something that was started. */
type Stop = () => unknown;

/** Vitest calls this once before the integration tests; what it returns stops what was started. */
export default async function setup(): Promise<() => Promise<void>> {
  const stops: Stop[] = [];
  await needCelery();
  await needBrowser();
  if (!(await findDatabase())) await startDatabase(stops);
  if (!(await findBroker())) await startBroker(stops);
  return async () => {
    for (const stop of stops.reverse()) await stop();
  };
}

async function needCelery(): Promise<void> {
  for (const module of ['celery', 'sqlalchemy', 'psycopg2']) {
    const works = async (): Promise<boolean> => succeeds(PYTHON, ['-c', `import ${module}`]);
    if (await works()) continue;
    const otherwise = 'set CELERY_PYTHON to a Python that has Celery 5, SQLAlchemy and psycopg2';
    await aptInstall(`python3-${module}`, `or ${otherwise}`);
    if (!(await works())) throw new Error(`${PYTHON} cannot import ${module}: ${otherwise}`);
  }
}

async function needBrowser(): Promise<void> {
  if (!existsSync(CHROMIUM)) await aptInstall('chromium', 'or set CHROMIUM to a browser of its kind');
}

async function findDatabase(): Promise<boolean> {
  const named = process.env['TEST_DATABASE_URL'];
  for (const url of named ? [named] : STANDARD_DATABASES) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000 });
    try {
      await client.connect();
      process.env['TEST_DATABASE_URL'] = url;
      return true;
    } catch (cause) {
      if (named) throw new Error('no database answers at TEST_DATABASE_URL', { cause });
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  return false;
}

async function findBroker(): Promise<boolean> {
  const named = process.env['TEST_BROKER_URL'];
  try {
    const url = named ?? STANDARD_BROKER;
    await (await amqp.connect(url, { timeout: 3000 })).close();
    process.env['TEST_BROKER_URL'] = url;
    return true;
  } catch (cause) {
    if (named) throw new Error('no broker answers at TEST_BROKER_URL', { cause });
    return false;
  }
}

async function startDatabase(stops: Stop[]): Promise<void> {
  if (await composeUp('postgres', stops)) {
    process.env['TEST_DATABASE_URL'] = 'postgres://postgres:postgres@127.0.0.1:5432/postgres';
    return;
  }
  await aptInstall('postgresql', 'or set TEST_DATABASE_URL to a server on which databases may be created');
  const versions = '/usr/lib/postgresql';
  const bin = join(versions, readdirSync(versions).sort((a, b) => Number(b) - Number(a))[0] ?? '', 'bin');
  const home = mkdtempSync(join(tmpdir(), 'celerycam-postgres-'));
  const postgres = execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' });
  chownSync(home, Number(postgres), 0);
  const port = await freePort();
  const as = ['-u', 'postgres', '--'];
  await exec('runuser', [
    ...as,
    join(bin, 'initdb'),
    '-D',
    join(home, 'data'),
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
  ]);
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${home}`;
  const pgCtl = [...as, join(bin, 'pg_ctl'), '-D', join(home, 'data'), '-w', '-l', join(home, 'log')];
  execFileSync('runuser', [...pgCtl, '-o', options, 'start'], { stdio: 'ignore' });
  stops.push(async () => {
    await exec('runuser', [...pgCtl, '-m', 'immediate', 'stop']);
    rmSync(home, { recursive: true, force: true });
  });
  process.env['TEST_DATABASE_URL'] = `postgres://postgres@127.0.0.1:${port}/postgres`;
}

async function startBroker(stops: Stop[]): Promise<void> {
  if (await composeUp('rabbitmq', stops))
    process.env['RABBITMQ_MANAGEMENT_URL'] ??= 'http://guest:guest@127.0.0.1:15672';
  else {
    await aptInstall('rabbitmq-server', 'or set TEST_BROKER_URL and RABBITMQ_MANAGEMENT_URL');
    execFileSync('rabbitmq-server', ['-detached'], { stdio: 'ignore' });
    stops.push(() => exec('rabbitmqctl', ['shutdown']));
  }
  for (const deadline = Date.now() + 90_000; !(await findBroker()); await delay(500)) {
    if (Date.now() > deadline) throw new Error(`RabbitMQ was started but does not answer at ${STANDARD_BROKER}`);
  }
}

/** Starts one service of the compose file; false where Docker does not run. */
async function composeUp(service: string, stops: Stop[]): Promise<boolean> {
  if (!(await succeeds('docker', ['info']))) return false;
  await exec('docker', [...COMPOSE, 'up', '--detach', '--wait', service]);
  stops.push(() => exec('docker', [...COMPOSE, 'down', '--volumes']));
  return true;
}

/** Installs a Debian package unless it is there; `otherwise` ends the sentence that says what a person can do. */
async function aptInstall(name: string, otherwise: string): Promise<void> {
  if (await succeeds('dpkg', ['-s', name])) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`the tests need ${name}: type \`sudo apt-get install ${name}\`, start Docker, ${otherwise}`);
  }
  console.log(`installing ${name} …`);
  // A package must not start a server of its own: the standard ports may belong to somebody else.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await exec('apt-get', ['update', '-q'], { env, maxBuffer: 1 << 26 });
  await exec('apt-get', ['install', '-q', '-y', '--no-install-recommends', name], { env, maxBuffer: 1 << 26 });
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return exec(command, args).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
