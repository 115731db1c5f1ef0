/**
 * How fast a full queue is drained with everything recorded (journal, fold, camera with history, acknowledgements), beside
 * amqplib that only counts and Celery's own receiver and State, which record nothing. Each pair on the same queue type
 * and the same messages, one after the other.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import pg from 'pg';
import { openPublisher } from '../../src/broker/publisher.ts';
import type { SimulatedMessage } from '../../src/broker/simulated-worker.ts';
import { DEFAULT_SIMULATION, simulate } from '../../src/broker/simulator.ts';
import type { SimulationConfig } from '../../src/config.ts';
import { freshDatabase, PYTHON } from '../support/services.ts';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const CELERY = fileURLToPath(new URL('celery_drain.py', import.meta.url).href.replace('/.bench/', '/'));
const CONNECTION = { tls: {}, heartbeat: 60 };

export type QueueType = 'quorum' | 'classic';

export interface Drained {
  /** Events per second, from consuming to the last one being recorded. */
  readonly rate: number;
  /** Largest resident set, MB. */
  readonly rss: number;
  /** Processor time for an event, microseconds: what the candidate itself used, and its Postgres sessions. */
  readonly cost?: { readonly program: number; readonly postgres: number };
}

/** One queue of its own on a broker, filled again for each candidate. */
export class FullQueue {
  readonly name = `bench-${randomBytes(4).toString('hex')}`;
  readonly #broker: string;
  readonly #type: QueueType;
  readonly #lists: boolean;
  readonly #simulation: SimulationConfig;

  constructor(broker: string, type: QueueType, lists: boolean, tasks: number) {
    this.#broker = broker;
    this.#type = type;
    const names = Array.from({ length: 40 }, (_, n) => `app.tasks.name${n}`);
    this.#lists = lists;
    this.#simulation = { ...DEFAULT_SIMULATION, rate: 3000, workers: 50, tasks: names, lists: false, count: tasks };
  }

  /** Publishes the whole simulation into the empty queue; returns what it holds. */
  async fill(): Promise<{ readonly messages: number; readonly events: number }> {
    const model = await connect(this.#broker);
    const channel = await model.createChannel();
    await channel.assertExchange(this.name, 'topic', { durable: true });
    await channel.assertQueue(this.name, { durable: true, arguments: { 'x-queue-type': this.#type } });
    for (const key of ['task.#', 'worker.#']) await channel.bindQueue(this.name, this.name, key);
    await model.close();
    await using publisher = await openPublisher(this.#broker, this.name, CONNECTION, new AbortController().signal);
    let messages = 0;
    let events = 0;
    const simulation = simulate(this.#simulation, Date.now() / 1000);
    for (const message of this.#lists ? inLists(simulation) : simulation) {
      publisher.publish(message);
      messages++;
      events += message.events;
      if (messages % 1000 === 0) await publisher.confirmed(2000);
    }
    await publisher.confirmed();
    return { messages, events };
  }

  async remove(): Promise<void> {
    const model = await connect(this.#broker);
    const channel = await model.createChannel();
    await channel.deleteQueue(this.name);
    await channel.deleteExchange(this.name);
    await model.close();
  }
}

/** What a worker tells of its tasks in lists, as real ones send them in a burst (PERF: six events to a message on average). */
function* inLists(messages: Iterable<SimulatedMessage>): Generator<SimulatedMessage, void, undefined> {
  const waiting = new Map<string, SimulatedMessage[]>();
  const joined = (list: readonly SimulatedMessage[]): SimulatedMessage => ({
    ...(list[0] as SimulatedMessage),
    routing_key: 'task.multi',
    body: `[${list.map(({ body }) => body).join(', ')}]`,
    events: list.length,
  });
  for (const message of messages) {
    if (!message.routing_key.startsWith('task.') || message.routing_key === 'task.sent') {
      yield message;
      continue;
    }
    const list = waiting.get(message.hostname) ?? [];
    list.push(message);
    waiting.set(message.hostname, list);
    if (list.length < 9) continue;
    waiting.delete(message.hostname);
    yield joined(list);
  }
  for (const list of waiting.values()) yield joined(list);
}

/** amqplib alone, no acknowledgements: what any Node program could reach at most. Messages per second. */
export async function countOnly(broker: string, queue: string, messages: number): Promise<number> {
  const model = await connect(broker);
  const channel = await model.createChannel();
  let seen = 0;
  let first = 0;
  await new Promise<void>((resolve) => {
    void channel.consume(
      queue,
      () => {
        if (seen++ === 0) first = performance.now();
        if (seen === messages) resolve();
      },
      { noAck: true },
    );
  });
  const seconds = (performance.now() - first) / 1000;
  await model.close();
  return messages / seconds;
}

/** Celery's receiver and State. */
export async function celeryState(broker: string, queue: string, events: number): Promise<Drained> {
  const { stdout } = await promisify(execFile)(PYTHON, [CELERY, broker, queue, String(events)]);
  const { seconds, rss_mb } = JSON.parse(stdout);
  return { rate: events / seconds, rss: rss_mb };
}

/** celerycam as its users run it: a process of its own in durable mode. */
export async function celerycam(broker: string, queue: string, type: QueueType, events: number): Promise<Drained> {
  await using database = await freshDatabase();
  const args = ['run', '--broker', broker, '--exchange', queue, '--queue', queue, '--queue-type', type];
  const options = ['--database', database.url, '--port', '0', '--log-format', 'json'];
  const child = spawn(process.execPath, [CLI, ...args, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  const sql = new pg.Client({ connectionString: database.url });
  try {
    await logged(child, 'consuming');
    const start = performance.now();
    await sql.connect();
    for (let position = 0; position < events; await delay(20)) {
      position = Number((await sql.query('select position from celerycam.journal_head')).rows[0].position);
    }
    const rate = (events / (performance.now() - start)) * 1000;
    const rss = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
    const { rows } = await sql.query("select pid from pg_stat_activity where application_name = 'celerycam'");
    const postgres = rows.reduce((sum, { pid }) => sum + processorTime(pid), 0);
    const cost = { program: processorTime(child.pid) / events, postgres: postgres / events };
    return { rate, rss, cost };
  } finally {
    await sql.end();
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
}

/** User and system time of a process so far, microseconds. */
function processorTime(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000; // ticks of 1/100 s
}

/** Waits for a line of the program's log. */
async function logged(child: ChildProcess, message: string): Promise<void> {
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (chunk) => {
      log += chunk;
      if (log.includes(`"msg":"${message}"`)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`celerycam ended with ${code}: ${log}`)));
  });
}
