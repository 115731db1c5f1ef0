/**
 * The real services that integration tests run against: a fresh database or virtual host for each test that asks.
 * `global-setup.ts` found or started the servers and left their addresses in the environment.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import pg from 'pg';

const exec = promisify(execFile);

/** Something on a server that only one test uses, gone after it. */
export interface Fresh extends AsyncDisposable {
  readonly url: string;
}

/** The Python that has Celery 5. */
export const PYTHON = process.env['CELERY_PYTHON'] ?? '/usr/bin/python3';

/** A server's address as the global setup left it. */
function address(name: 'TEST_DATABASE_URL' | 'TEST_BROKER_URL'): string {
  const url = process.env[name];
  if (!url) throw new Error(`${name} is not set: run the tests through \`npm test\` or \`npx vitest run\``);
  return url;
}

/** A new, empty database. Connections still open at the end are ended by the server. */
export async function freshDatabase(): Promise<Fresh> {
  const name = `celerycam_test_${randomBytes(6).toString('hex')}`;
  await asAdmin(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`);
  const url = new URL(address('TEST_DATABASE_URL'));
  url.pathname = `/${name}`;
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => asAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function asAdmin(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: address('TEST_DATABASE_URL') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** A new virtual host in which the test user may do everything. */
export async function freshVhost(): Promise<Fresh> {
  const name = `celerycam_test_${randomBytes(6).toString('hex')}`;
  const url = new URL(address('TEST_BROKER_URL'));
  const user = decodeURIComponent(url.username) || 'guest';
  url.pathname = `/${name}`;
  const management = process.env['RABBITMQ_MANAGEMENT_URL'];
  if (management) {
    await manage(management, 'PUT', `vhosts/${name}`);
    const everything = { configure: '.*', write: '.*', read: '.*' };
    await manage(management, 'PUT', `permissions/${name}/${encodeURIComponent(user)}`, everything);
    return { url: url.href, [Symbol.asyncDispose]: () => manage(management, 'DELETE', `vhosts/${name}`) };
  }
  await rabbitmqctl('add_vhost', name);
  await rabbitmqctl('set_permissions', '-p', name, user, '.*', '.*', '.*');
  return {
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      await rabbitmqctl('delete_vhost', name);
    },
  };
}

/** Runs `rabbitmqctl` against the test broker and returns what it printed; needs root or the `rabbitmq` user. */
export async function rabbitmqctl(...args: readonly string[]): Promise<string> {
  try {
    return (await exec('rabbitmqctl', ['--quiet', ...args])).stdout;
  } catch (cause) {
    const hint =
      'run the tests as root on the broker’s machine, or set RABBITMQ_MANAGEMENT_URL=http://user:pass@host:15672';
    throw new Error(`rabbitmqctl ${args[0]} failed: ${hint}`, { cause });
  }
}

/** One call of RabbitMQ's management API. `base` carries the login. */
async function manage(base: string, method: string, path: string, body?: object): Promise<void> {
  const url = new URL(`/api/${path}`, base);
  const login = `${decodeURIComponent(url.username) || 'guest'}:${decodeURIComponent(url.password) || 'guest'}`;
  url.username = '';
  url.password = '';
  const headers = {
    authorization: `Basic ${Buffer.from(login).toString('base64')}`,
    'content-type': 'application/json',
  };
  const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  if (!answer.ok) throw new Error(`management API: ${method} ${url.pathname} answered ${answer.status}`);
}
