import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { migrateUp } from '../../src/store/migrate.ts';

async function dataDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'celerycam-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return status !== null && !/\) Z /.test(status);
}

async function serverOf(path: string): Promise<number> {
  return Number((await readFile(join(path, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** Another process that opens the embedded server of a directory, and its URL. */
async function otherProcess(path: string): Promise<{ child: ChildProcess; url: string }> {
  const built = new URL('../../dist/src/store/embedded.js', import.meta.url);
  const script = `
    const { openEmbedded } = await import(${JSON.stringify(built.href)});
    const embedded = await openEmbedded(${JSON.stringify(path)});
    console.log(embedded.url);
    process.stdin.on('end', () => embedded[Symbol.asyncDispose]()).resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const line = once(createInterface(child.stdout), 'line');
  const [url] = await Promise.race([
    line,
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`exit ${code}`))),
  ]);
  return { child, url };
}

test('it starts in an empty directory, keeps what it is told, and stops', async () => {
  await using directory = await dataDirectory();
  const { path } = directory;
  for (const round of [0, 1]) {
    await using embedded = await openEmbedded(path);
    const pid = await serverOf(path);
    expect(await isAlive(pid)).toBe(true);
    {
      await using database = await openDatabase({ url: embedded.url, schema: 'celerycam' });
      expect(await migrateUp(database)).toHaveLength(round === 0 ? MIGRATIONS.length : 0);
      await database.knex('task_names').insert({ cluster: 'ü☃', name: `round ${round}` });
      expect(await database.knex('task_names')).toHaveLength(round + 1);
    }
    await embedded[Symbol.asyncDispose]();
    expect(await isAlive(pid)).toBe(false);
  }
});

test('a second process uses the server that runs already, and does not stop it', async () => {
  await using directory = await dataDirectory();
  await using embedded = await openEmbedded(directory.path);
  const { child, url } = await otherProcess(directory.path);
  expect(url).toBe(embedded.url);
  child.stdin?.end();
  await once(child, 'exit');
  await using database = await openDatabase({ url, schema: 'celerycam' });
  expect(await migrateUp(database)).toHaveLength(MIGRATIONS.length);
});

test('when the process that runs the server ends, the other one goes on with a server of its own', async () => {
  await using directory = await dataDirectory();
  const { path } = directory;
  const first = await openEmbedded(path);
  await using second = await openEmbedded(path);
  const before = await serverOf(path);
  {
    await using database = await openDatabase({ url: second.url, schema: 'celerycam' });
    await migrateUp(database);
    await first[Symbol.asyncDispose]();
    const again = async (): Promise<unknown> => database.knex('task_names').catch(() => 'away');
    await expect.poll(again, { timeout: 60_000, interval: 100 }).toEqual([]);
  }
  const pid = await serverOf(path);
  expect(pid).not.toBe(before);
  await second[Symbol.asyncDispose]();
  expect(await isAlive(pid)).toBe(false);
});

test('two that start in the same moment share one server', async () => {
  await using directory = await dataDirectory();
  const others = await Promise.all([otherProcess(directory.path), otherProcess(directory.path)]);
  expect(others[0].url).toBe(others[1].url);
  await using database = await openDatabase({ url: others[0].url, schema: 'celerycam' });
  expect(await migrateUp(database)).toHaveLength(MIGRATIONS.length);
  for (const { child } of others) child.stdin?.end();
  await Promise.all(others.map(({ child }) => once(child, 'exit')));
});

test('kill -9 of its owner leaves no server behind, and the next start finds everything', async () => {
  await using directory = await dataDirectory();
  const { child, url } = await otherProcess(directory.path);
  {
    await using database = await openDatabase({ url, schema: 'celerycam' });
    await migrateUp(database);
  }
  const pid = await serverOf(directory.path);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using embedded = await openEmbedded(directory.path);
  expect(await isAlive(pid)).toBe(false);
  await using database = await openDatabase({ url: embedded.url, schema: 'celerycam' });
  expect(await migrateUp(database)).toEqual([]);
});

test('a power cut is recovered from, also where another process has the old number now', async () => {
  await using directory = await dataDirectory();
  const { child, url } = await otherProcess(directory.path);
  {
    await using database = await openDatabase({ url, schema: 'celerycam' });
    await migrateUp(database);
  }
  const pid = await serverOf(directory.path);
  process.kill(pid, 'SIGKILL');
  child.stdin?.end();
  await once(child, 'exit');
  const lock = join(directory.path, 'postgres/postmaster.pid');
  const stale = await readFile(lock, 'utf8');
  await writeFile(lock, stale.replace(String(pid), String(process.pid)));
  await using embedded = await openEmbedded(directory.path);
  await using database = await openDatabase({ url: embedded.url, schema: 'celerycam' });
  expect(await migrateUp(database)).toEqual([]);
});

test('a server that is killed under us is started again', async () => {
  await using directory = await dataDirectory();
  await using embedded = await openEmbedded(directory.path);
  {
    await using database = await openDatabase({ url: embedded.url, schema: 'celerycam' });
    await migrateUp(database);
  }
  process.kill(await serverOf(directory.path), 'SIGKILL');
  const again = async (): Promise<readonly string[]> => {
    try {
      await using database = await openDatabase({ url: embedded.url, schema: 'celerycam' });
      return await migrateUp(database);
    } catch {
      return again();
    }
  };
  expect(await again()).toEqual([]);
});

test('data of another version is refused with a sentence', async () => {
  await using directory = await dataDirectory();
  await (await openEmbedded(directory.path))[Symbol.asyncDispose]();
  await writeFile(join(directory.path, 'postgres/PG_VERSION'), '12\n');
  const error: unknown = await openEmbedded(directory.path).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'EMBEDDED_POSTGRES',
    message: expect.stringMatching(/PostgreSQL 12.*--database/),
  });
});

test('a directory that cannot be used is an error with a hint', async () => {
  await using directory = await dataDirectory();
  await writeFile(join(directory.path, 'file'), '');
  const error: unknown = await openEmbedded(join(directory.path, 'file/below')).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'EMBEDDED_POSTGRES', message: expect.stringContaining('--database') });
});
