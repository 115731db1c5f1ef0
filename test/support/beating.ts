/** A beat inside a test, what is periodic for it, and the queue that it sends to. */
import amqp, { type ConsumeMessage } from 'amqplib';
import type { Knex } from 'knex';
import { expect } from 'vitest';
import { createBeat } from '../../src/beating.ts';
import { type Flags, loadConfig } from '../../src/config.ts';
import { createDiagnostics, type DiagnosticEvents, type Diagnostics } from '../../src/diagnostics.ts';
import type { Seconds } from '../../src/domain/event.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type Migrated, migratedDatabase } from './database.ts';
import { type Fresh, freshVhost } from './services.ts';

/** Longest wait for anything, seconds: then a test fails saying what it waited for. */
const PATIENCE = 60;

export interface Place extends AsyncDisposable {
  readonly database: Migrated;
  readonly knex: Knex;
  readonly vhost: Fresh;
  readonly inbox: Inbox;
}

/** A database, a virtual host, and in it the queue `celery`. */
export async function freshPlace(): Promise<Place> {
  const [database, vhost] = await Promise.all([migratedDatabase(), freshVhost()]);
  const inbox = await Inbox.open(vhost.url, 'celery');
  return {
    ...{ database, knex: database.knex, vhost, inbox },
    async [Symbol.asyncDispose]() {
      await inbox[Symbol.asyncDispose]();
      await Promise.all([database[Symbol.asyncDispose](), vhost[Symbol.asyncDispose]()]);
    },
  };
}

/** A queue, as workers declare it, and all that came to it. */
export class Inbox implements AsyncDisposable {
  readonly messages: ConsumeMessage[] = [];
  readonly #connection: amqp.ChannelModel;
  #tell: () => void = () => {};

  private constructor(connection: amqp.ChannelModel) {
    this.#connection = connection;
  }

  static async open(url: string, queue: string): Promise<Inbox> {
    const connection = await amqp.connect(url);
    connection.on('error', () => {});
    const inbox = new Inbox(connection);
    const channel = await connection.createChannel();
    await channel.assertQueue(queue, { durable: true });
    await channel.consume(
      queue,
      (message) => {
        if (message) inbox.messages.push(message);
        inbox.#tell();
      },
      { noAck: true },
    );
    return inbox;
  }

  /** Resolves when so many have come, in all. */
  async until(count: number): Promise<void> {
    await patiently(
      `${count} messages`,
      new Promise<void>((resolve) => {
        this.#tell = () => {
          if (this.messages.length >= count) resolve();
        };
        this.#tell();
      }),
    );
  }

  /** Names of the periodic tasks that they are of. */
  get names(): string[] {
    return this.messages.map(({ properties }) => String(properties.headers?.['periodic_task_name']));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close().catch(() => {});
  }
}

export interface BeatOptions {
  readonly database: string;
  readonly broker: string;
  readonly clock?: () => Seconds;
  readonly flags?: Flags;
}

export class Beating implements AsyncDisposable {
  readonly diagnostics: Diagnostics = createDiagnostics();
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor({ database: url, broker, clock, flags }: BeatOptions) {
    const config = loadConfig({ broker: [broker], ...flags }, {});
    this.#done = (async () => {
      await using database = await openDatabase({ url, schema: 'celerycam', silence: 2 });
      const { epoch } = await database.knex('journal_head').first('epoch');
      const beat = createBeat(config, { db: database.knex, epoch, diagnostics: this.diagnostics }, clock);
      await beat.run(this.#abort.signal);
    })();
    this.#done.catch(() => {});
  }

  /** Resolves with what the next event of this name tells. */
  async next<Name extends keyof DiagnosticEvents>(name: Name): Promise<Parameters<DiagnosticEvents[Name]>[0]> {
    type Told = Parameters<DiagnosticEvents[Name]>[0];
    const told = new Promise<Told>((resolve) => {
      this.diagnostics.once(name, ((...args: unknown[]) => resolve(args[0] as Told)) as never);
    });
    return patiently(`the event ${name}`, told);
  }

  /** Resolves when it leads. */
  static async leading(options: BeatOptions): Promise<Beating> {
    const beating = new Beating(options);
    await beating.next('beat:leading');
    return beating;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function patiently<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const impatience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE} s for ${what}`)), PATIENCE * 1000);
  });
  try {
    return await Promise.race([promise, impatience]);
  } finally {
    clearTimeout(timer);
  }
}

/** Adds an interval schedule and a task that has it; returns the task's id. */
export async function addInterval(
  knex: Knex,
  seconds: number,
  task: Readonly<Record<string, unknown>> & { readonly name: string },
): Promise<number> {
  const length = seconds < 1 ? { every: seconds * 1e6, period: 'microseconds' } : { every: seconds, period: 'seconds' };
  const [schedule] = await knex('djcelery_intervalschedule').insert(length).returning('id');
  const [row] = await knex('djcelery_periodictask')
    .insert({ task: 'app.add', interval_id: schedule?.id, ...task })
    .returning('id');
  return row?.id;
}

/** Runs as recorded, of a task or of all, oldest first; times in epoch seconds. */
export async function runsOf(knex: Knex, task?: number) {
  const rows = knex('periodic_runs')
    .select('periodic_task', 'outcome', 'task_id', 'missed', 'reason')
    .select(knex.raw('extract(epoch from due_at)::float8 as due_at, extract(epoch from sent_at)::float8 as sent_at'))
    .orderBy('id');
  return task === undefined ? rows : rows.where({ periodic_task: task });
}

/** Until each task was sent often enough to tell. */
export async function untilEachRan({ knex }: Place, lengths: ReadonlyMap<number, number>): Promise<void> {
  const fewest = async (): Promise<number> => {
    const all = await runsOf(knex);
    return Math.min(...Array.from(lengths.keys(), (id) => all.filter((run) => run.periodic_task === id).length));
  };
  await expect.poll(fewest, { timeout: 60_000 }).toBeGreaterThan(5);
}

/**
 * No message without a run, no run without a message, no due time left out.
 * @param lengths of intervals in seconds, by the ids of the tasks that have them
 */
export async function expectEachOnce({ knex, inbox }: Place, lengths: ReadonlyMap<number, number>): Promise<void> {
  const all = await runsOf(knex);
  await inbox.until(all.length);
  const ids = inbox.messages.map(({ properties }) => String(properties.headers?.['id']));
  expect(ids.toSorted()).toEqual(all.map(({ task_id }) => task_id).toSorted());
  expect(new Set(all.map(({ outcome, missed }) => `${outcome} ${missed}`))).toEqual(new Set(['sent 0']));
  for (const [id, length] of lengths) {
    const dues = all.filter(({ periodic_task }) => periodic_task === id).map(({ due_at }) => due_at);
    dues.sort((a, b) => a - b);
    expect(dues.length).toBeGreaterThan(5);
    for (const [n, due] of dues.entries()) expect(due).toBeCloseTo(dues[0] + n * length, 4);
    const task = await knex('djcelery_periodictask').where({ id }).first();
    expect(task.total_run_count).toBe(dues.length);
  }
}
