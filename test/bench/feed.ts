/**
 * How much later clients of the live feed have what has happened: after it is published by the hub of a process that does
 * nothing else; and through the whole program, after the commit from which on it may be shown, and after the event itself.
 * The publisher and all clients run in this one process beside it.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { openPublisher } from '../../src/broker/publisher.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';
import { Audience, type TimeOf } from './feed-audience.ts';
import { publishAt } from './feed-load.ts';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const SERVER = fileURLToPath(new URL('feed-server.js', import.meta.url));
const CONNECTION = { tls: {}, heartbeat: 60 };
/** Seconds before anything is counted. */
const WARM_UP = 3;

/** Milliseconds, over all events and clients. */
interface Latencies {
  readonly p50: number;
  readonly p99: number;
}

export interface FeedFigures {
  /** By what the time is taken from. */
  readonly latencies: Readonly<Record<string, Latencies>>;
  /** Messages and bytes per second to each client. */
  readonly messages: number;
  readonly bytes: number;
  /** How often some client was told that it was behind. */
  readonly behind: number;
  /** Share of one processor that the program took, all its threads. */
  readonly processor: number;
}

/** The feed by itself. @param rate events per second */
export async function benchFeedAlone(clients: number, rate: number, seconds: number): Promise<FeedFigures> {
  const server = fork(SERVER);
  const audience = new Audience();
  try {
    const [url] = await once(server, 'message');
    await audience.open(url, clients);
    server.send(rate);
    await delay(WARM_UP * 1000);
    const processor = processorShare(server);
    await delay(seconds * 1000);
    const share = processor();
    server.send(0);
    const [published] = await once(server, 'message');
    await audience.hear(published.length - 1);
    const timeOf = (position: number): number => published[position];
    return figures(audience, WARM_UP * rate, seconds, { 'the hub publishes it': timeOf }, share);
  } finally {
    audience.close();
    server.kill('SIGKILL');
  }
}

/** Through the whole program. @param rate events per second */
export async function benchFeed(clients: number, rate: number, seconds: number): Promise<FeedFigures> {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  const options = ['--broker', vhost.url, '--database', database.url, '--port', '0'];
  // At this level it logs each commit.
  const logging = ['--log-format', 'json', '--log-level', 'debug'];
  const program = spawn(process.execPath, [CLI, 'run', ...options, ...logging], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const audience = new Audience();
  try {
    const { url, committed } = await untilServing(program);
    await audience.open(url, clients);
    await using publisher = await openPublisher(vhost.url, 'celeryev', CONNECTION, new AbortController().signal);
    const publishing = publishAt(publisher, rate, WARM_UP + seconds);
    await delay(WARM_UP * 1000);
    const processor = processorShare(program);
    const events = await publishing;
    const share = processor();
    await audience.hear(events);
    const published = await timestamps(database.url);
    const since = {
      'its commit': (position: number) => committed[position],
      'the event': (position: number) => published[position],
    };
    return figures(audience, WARM_UP * rate, seconds, since, share);
  } finally {
    audience.close();
    program.kill('SIGKILL');
  }
}

/** Of events after `after`, which came within so many seconds. */
function figures(
  audience: Audience,
  after: number,
  seconds: number,
  since: Readonly<Record<string, TimeOf>>,
  processor: number,
): FeedFigures {
  const { messages, bytes } = audience.volume(after);
  const latencies = Object.entries(since).map(([what, timeOf]) => [what, audience.latencies(after, timeOf)]);
  return {
    latencies: Object.fromEntries(latencies),
    messages: messages / seconds,
    bytes: bytes / seconds,
    behind: audience.behind,
    processor,
  };
}

/** Reads the log until it consumes, and goes on to note when each position was committed, epoch milliseconds. */
async function untilServing(program: ChildProcess): Promise<{ readonly url: string; readonly committed: number[] }> {
  const committed: number[] = [];
  let url = '';
  const lines = createInterface(program.stderr as NonNullable<ChildProcess['stderr']>);
  await new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const { msg, time, ...fields } = JSON.parse(line);
      if (msg === 'serving') url = fields.url;
      if (msg === 'consuming') resolve();
      if (msg !== 'recorded') return;
      const { position, events } = fields;
      committed.length = position + 1;
      committed.fill(Date.parse(time), position + 1 - events);
    });
  });
  return { url, committed };
}

/** By position, when each event was made, epoch milliseconds. */
async function timestamps(database: string): Promise<readonly number[]> {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  const { rows } = await client.query(
    `select position::int, (body::json ->> 'timestamp')::float8 * 1000 as at from celerycam.events order by position`,
  );
  await client.end();
  const times: number[] = [];
  for (const { position, at } of rows) times[position] = at;
  return times;
}

/** Asked later, tells what share of one processor all threads of a process took since. */
function processorShare(child: ChildProcess): () => number {
  const begun = performance.now();
  const before = processorSeconds(child);
  return () => (processorSeconds(child) - before) / ((performance.now() - begun) / 1000);
}

function processorSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
