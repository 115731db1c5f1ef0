/**
 * How long it takes from the moment an event is published to the moment a client of the live feed has it, through the whole
 * program: broker, journal, fold, hub, WebSocket. The publisher and all clients run in this one process beside it.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { openPublisher, type Publisher } from '../../src/broker/publisher.ts';
import type { FeedMessage } from '../../src/contract/feed.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';
import { LIFE, taskEvent } from './feed-load.ts';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const SERVER = fileURLToPath(new URL('feed-server.js', import.meta.url));
const CONNECTION = { tls: {}, heartbeat: 60 };
/** Seconds before anything is counted. */
const WARM_UP = 3;

export interface FeedFigures {
  /** Milliseconds from publishing an event to its record at a client, over all events and clients. */
  readonly p50: number;
  readonly p99: number;
  /** Events published and records received per second, the latter at each client. */
  readonly events: number;
  readonly records: number;
  readonly bytesPerRecord: number;
  /** How often some client was told that it was behind. */
  readonly behind: number;
  /** Share of one processor that the program took. */
  readonly processor: number;
}

/**
 * The feed by itself: from the moment an event is folded and published in a server process that does nothing else, to the
 * moment a client has its record. Counts the newest event of each record. @param rate events per second
 */
export async function benchFeedAlone(clients: number, rate: number, seconds: number): Promise<FeedFigures> {
  const server = fork(SERVER);
  try {
    const [{ url }] = await once(server, 'message');
    const audience = new Audience(url);
    await audience.open(clients);
    const processor = async (): Promise<number> => {
      server.send(0);
      const [told] = await once(server, 'message');
      return told.processor;
    };
    server.send(rate);
    await delay(WARM_UP * 1000);
    const before = await processor();
    audience.isCounting = true;
    await delay(seconds * 1000);
    audience.isCounting = false;
    const took = (await processor()) - before;
    audience.close();
    return audience.figures(seconds, rate, took / seconds);
  } finally {
    server.kill('SIGKILL');
  }
}

/** Through the whole program. @param rate events per second */
export async function benchFeed(clients: number, rate: number, seconds: number): Promise<FeedFigures> {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  const program = spawn(
    process.execPath,
    [CLI, 'run', '--broker', vhost.url, '--database', database.url, '--port', '0', '--log-format', 'json'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  try {
    const url = await untilServing(program);
    const audience = new Audience(url);
    await audience.open(clients);
    await using publisher = await openPublisher(vhost.url, 'celeryev', CONNECTION, new AbortController().signal);
    const before = { processor: 0, at: 0 };
    const published = await publishAt(publisher, rate, seconds + WARM_UP, audience, () => {
      audience.isCounting = true;
      before.processor = processorSeconds(program);
      before.at = performance.now();
    });
    await delay(500);
    const elapsed = (performance.now() - before.at) / 1000;
    const processor = (processorSeconds(program) - before.processor) / elapsed;
    audience.close();
    return audience.figures(seconds, published / seconds, processor);
  } finally {
    program.kill('SIGKILL');
  }
}

/** Many clients: one reads every message, the others note when each came. */
class Audience {
  readonly #url: string;
  readonly #sockets: WebSocket[] = [];
  /** Publication times of a task's events that nobody has seen yet, epoch milliseconds. */
  readonly #published = new Map<string, number[]>();
  /** By `to`: when the clients had it. Kept until the reader has had it, too. */
  readonly #arrivals = new Map<number, number[]>();
  /** By `to`: publication times of the events that a message told of. */
  readonly #told = new Map<number, number[]>();
  readonly #histogram = new Float64Array(20_000);
  isCounting = false;
  records = 0;
  bytes = 0;
  behind = 0;

  constructor(url: string) {
    this.#url = url;
  }

  async open(clients: number): Promise<void> {
    for (let n = 0; n < clients; n += 50) {
      const some = Array.from({ length: Math.min(50, clients - n) }, (_, m) => this.#connect(n + m === 0));
      await Promise.all(some);
    }
  }

  async #connect(reads: boolean): Promise<void> {
    const socket = new WebSocket(`${this.#url.replace('http', 'ws')}/live?topics=tasks`, { perMessageDeflate: false });
    this.#sockets.push(socket);
    socket.on('message', (data: Buffer) => this.#take(data, reads));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  }

  published(uuid: string, at: number): void {
    const times = this.#published.get(uuid);
    if (times) times.push(at);
    else this.#published.set(uuid, [at]);
  }

  #take(data: Buffer, reads: boolean): void {
    const now = Date.now();
    const head = data.toString('latin1', 0, 80);
    if (head.startsWith('{"type":"behind"')) this.behind += 1;
    const to = Number(/"to":(\d+)/.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(to)) return;
    if (reads) this.#read(JSON.parse(String(data)), data.length, to);
    const told = this.#told.get(to);
    if (told) this.#count(told, now);
    else {
      const arrivals = this.#arrivals.get(to);
      if (arrivals) arrivals.push(now);
      else this.#arrivals.set(to, [now]);
    }
  }

  #read(message: FeedMessage, bytes: number, to: number): void {
    if (message.type !== 'changes') return;
    const told: number[] = [];
    for (const { task_id, timestamp } of message.tasks) {
      const times = this.#published.get(task_id) ?? [(timestamp ?? 0) * 1000];
      const until = (timestamp ?? 0) * 1000 + 0.5;
      told.push(...times.filter((at) => at <= until));
      const rest = times.filter((at) => at > until);
      if (this.#published.has(task_id)) this.#published.set(task_id, rest);
    }
    if (!this.isCounting) return;
    this.records += message.tasks.length;
    this.bytes += bytes;
    this.#told.set(to, told);
    for (const at of this.#arrivals.get(to) ?? []) this.#count(told, at);
    this.#arrivals.clear();
  }

  #count(published: readonly number[], arrived: number): void {
    if (!this.isCounting) return;
    for (const at of published) this.#histogram[Math.min(19_999, Math.max(0, Math.round(arrived - at)))]! += 1;
  }

  figures(seconds: number, events: number, processor: number): FeedFigures {
    const { records, bytes, behind } = this;
    const perSecond = { events, records: records / seconds };
    return { ...this.#latencies(), ...perSecond, bytesPerRecord: bytes / records, behind, processor };
  }

  #latencies(): { readonly p50: number; readonly p99: number } {
    const total = this.#histogram.reduce((sum, n) => sum + n, 0);
    const at = (share: number): number => {
      let sum = 0;
      return this.#histogram.findIndex((n) => {
        sum += n;
        return sum >= total * share;
      });
    };
    return { p50: at(0.5), p99: at(0.99) };
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}

/** Publishes tasks' events evenly. Returns how many after the warm-up. */
async function publishAt(
  publisher: Publisher,
  rate: number,
  seconds: number,
  audience: Audience,
  onWarm: () => void,
): Promise<number> {
  const tasks = rate / LIFE.length;
  const due: { readonly at: number; readonly n: number; readonly subject: string }[] = [];
  for (let n = 0; n < tasks * seconds; n++)
    for (const [subject, after] of LIFE) due.push({ at: (n / tasks) * 1000 + after, n, subject });
  due.sort((a, b) => a.at - b.at);
  const start = performance.now();
  let next = 0;
  let warm = 0;
  let clock = 0;
  while (next < due.length) {
    const elapsed = performance.now() - start;
    if (warm === 0 && elapsed > WARM_UP * 1000) {
      warm = next;
      onWarm();
    }
    for (let each = due[next]; each && each.at <= elapsed; each = due[next]) {
      clock += 1;
      next += 1;
      publish(publisher, each.subject, each.n, clock, audience);
    }
    await delay(1);
  }
  return due.length - warm;
}

function publish(publisher: Publisher, subject: string, n: number, clock: number, audience: Audience): void {
  const event = taskEvent(subject, n, clock);
  const { uuid, hostname, timestamp } = event;
  const message = { at: 0, routing_key: `task.${subject}`, hostname: String(hostname), events: 1 };
  publisher.publish({ ...message, body: JSON.stringify(event) });
  audience.published(String(uuid), Number(timestamp) * 1000);
}

async function untilServing(program: ChildProcess): Promise<string> {
  let url = '';
  for await (const line of createInterface(program.stderr as NonNullable<ChildProcess['stderr']>)) {
    const { msg, ...fields } = JSON.parse(line);
    if (msg === 'serving') url = fields.url;
    if (msg === 'consuming') break;
  }
  program.stderr?.resume();
  return url;
}

/** Of all its threads. */
function processorSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
