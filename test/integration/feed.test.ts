/** The live feed on real servers: a client that goes on through everything holds what is recorded. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Chance } from '../../src/broker/agenda.ts';
import { FeedState, keyOf, LiveFeed } from '../../src/client/index.ts';
import { type TaskRecord, toTaskRecord } from '../../src/contract/records.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, stateOf } from '../../src/domain/state.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { HUB_DEFAULTS, Hub } from '../../src/live/hub.ts';
import { Recorder } from '../../src/recorder.ts';
import { AsyncStack, createLock, now } from '../../src/runtime.ts';
import { createSnapshots } from '../../src/store/snapshots.ts';
import { createStudio, type Studio } from '../support/camera.ts';
import { type Migrated, migratedDatabase, received } from '../support/database.ts';
import { runs } from '../support/effort.ts';
import { FeedClient } from '../support/feed-model.ts';
import { messagesOf, openLoad, publishAll } from '../support/load.ts';
import { Program } from '../support/program.ts';
import { foldAll, openRecord, readJournal } from '../support/record.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

const SEED = 20_261_124;
const RUNS = runs(15);
vi.setConfig({ testTimeout: Math.max(180_000, RUNS * 12_000) });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

const comparable = ({ children, ...record }: TaskRecord): object => ({ ...record, children: [...children].sort() });

test('clients that go on through kills of the program end with exactly what the journal tells', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using programs = new AsyncStack();
  const options = { queue: 'kept', broker: vhost.url, database: fresh.url, port: await freePort() };
  const start = (): Program => programs.use(new Program({ ...options, batchSize: 100 }));
  const messages = messagesOf({ count: 3000, seed: SEED });

  let program = start();
  await program.ready();
  const url = `http://127.0.0.1:${options.port}`;
  const follow = (q?: string): { readonly feed: LiveFeed; readonly state: FeedState; readonly resets: unknown[] } => {
    const feed = programs.use(new LiveFeed(url, { q, snapshot: true, backoff: 20, maxBackoff: 200 }));
    const state = new FeedState();
    const resets: unknown[] = [];
    feed.on('message', (message) => state.apply(message));
    feed.on('reset', (reset) => resets.push(reset));
    return { feed, state, resets };
  };
  const followers = [follow(), follow('state:SUCCESS'), follow('NOT state:SUCCESS')] as const;
  await using publisher = await openLoad(vhost.url);
  const publishing = publishAll(publisher, messages);
  publishing.catch(() => {});
  const total = messages.reduce((sum, { events }) => sum + events, 0);
  const chance = new Chance(SEED);
  for (const share of Array.from({ length: 4 }, () => chance.between(0.1, 0.9)).sort((a, b) => a - b)) {
    await program.recorded(share * total);
    await program.kill();
    program = start();
  }
  await publishing;
  await program.pictured(total);
  await using database = await openRecord(fresh.url);
  const clusters = foldAll(await readJournal(database));
  const reached = followers.map(async ({ feed, state }) => {
    const isThere = (): boolean => state.isLive && Number(feed.cursor?.split(':')[1]) >= total;
    // A filtered feed that has nothing to tell says so after 15 seconds.
    while (!isThere()) await new Promise((resolve) => feed.once('message', resolve));
  });
  await Promise.all(reached);
  const matching = [
    () => true,
    ({ state }: TaskRecord) => state === 'SUCCESS',
    ({ state }: TaskRecord) => state !== 'SUCCESS',
  ];
  for (const [n, { state, resets }] of followers.entries()) {
    expect(resets).toEqual([]);
    const expected = new Map<string, object>();
    for (const each of clusters.byName.values()) {
      for (const task of each.tasks.values()) {
        const record = toTaskRecord(each, task, now());
        if (matching[n]?.(record)) expected.set(keyOf(each.cluster, task.uuid), comparable(record));
      }
    }
    expect(state.tasks.size).toBe(expected.size);
    for (const [key, record] of state.tasks) expect(comparable(record)).toEqual(expected.get(key));
    expect(Array.from(state.workers.values(), ({ status }) => status)).toEqual(Array(5).fill('OFFLINE'));
  }
});

/** The part of the program that the feed depends on, started on a database that may hold something. */
class Served {
  readonly clusters: Clusters;
  readonly studio: Studio;
  readonly hub: Hub;
  readonly recorder: Recorder;
  readonly append: (events: readonly Event[]) => Promise<void>;

  static async start(database: Migrated, maxTasks: number): Promise<Served> {
    const clusters = createClusters({ maxTasks, maxWorkers: 100 }, { fold: 'strict' });
    await createSnapshots(database.knex).restore(clusters);
    const served = new Served(database, clusters, await createJournalOf(database).epoch());
    await served.hub.recall();
    await served.fold();
    return served;
  }

  readonly epoch: string;

  private constructor(database: Migrated, clusters: Clusters, epoch: string) {
    this.epoch = epoch;
    this.clusters = clusters;
    const lock = createLock();
    this.studio = createStudio(database.knex, { clusters: this.clusters, lock, fold: 'strict' });
    const { camera, snapshots, diagnostics } = this.studio;
    const journal = createJournalOf(database);
    this.hub = new Hub(
      {
        ...{ clusters: this.clusters, clock: now, journal, snapshots },
        pending: (state, uuid) => camera.pending(state, uuid),
        failed: (error) => {
          throw error;
        },
      },
      { version: '1', epoch, simulated: false, ...HUB_DEFAULTS, trail: 20, maxRecords: 5, tick: 0.02, coalesce: 0.001 },
    );
    const { signal } = new AbortController();
    const parts = { clusters: this.clusters, journal, snapshots, camera, hub: this.hub, diagnostics, lock };
    this.recorder = new Recorder({ ...parts, onGap: () => undefined });
    this.append = async (events) => {
      await journal.append(
        events.map((event) => received(event, { local_received: now() })),
        [],
        signal,
      );
      await this.fold();
    };
  }

  async fold(): Promise<void> {
    await this.recorder.catchUp(new AbortController().signal);
  }
}

function createJournalOf({ knex }: Migrated) {
  return createJournal(knex, { retention: null, diagnostics: createDiagnostics() });
}

const events = fc.array(
  fc.record({
    subject: fc.constantFrom('received', 'started', 'succeeded', 'failed'),
    task: fc.nat(30),
    name: fc.constantFrom('a', 'b'),
  }),
  { minLength: 1, maxLength: 40 },
);
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('events' as const), events }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('cut', 'connect'), client: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('shutter', 'restart') }) },
  ),
  { minLength: 3, maxLength: 20 },
);

test.each([
  ['a memory for all tasks', 1000],
  ['a memory for ten', 10],
])('clients that are cut, on servers that start again, end with what the database has: %s', async (_, maxTasks) => {
  await using database = await migratedDatabase();
  const property = fc.asyncProperty(steps, async (all) => {
    await database.knex.raw(
      `truncate events, snapshots, task_states, task_history, worker_states, worker_history, task_names;
       update journal_head set position = 0`,
    );
    let served = await Served.start(database, maxTasks);
    const model = {
      get hub() {
        return served.hub;
      },
    };
    const after = `${served.epoch}:0`;
    const clients = ['', 'state:SUCCESS', 'name:a'].map((q) => new FeedClient(model, { q, after }));
    for (const client of clients) client.connect();
    let clock = 0;
    for (const step of all) {
      switch (step.do) {
        case 'events': {
          const told = step.events.map(({ subject, task, name }): Event => {
            clock += 1;
            const call = subject === 'received' ? { name } : {};
            const base = {
              uuid: `t${task}`,
              hostname: `w${task % 3}@h`,
              pid: 1,
              clock,
              timestamp: now(),
              utcoffset: 0,
            };
            return { type: `task-${subject}`, ...base, ...call };
          });
          await served.append(told);
          break;
        }
        case 'cut':
          clients[step.client]?.read();
          clients[step.client]?.cut();
          break;
        case 'connect':
          clients[step.client]?.connect();
          break;
        case 'shutter':
          await served.studio.camera.shutter();
          break;
        case 'restart':
          for (const client of clients) client.cut();
          await served.hub[Symbol.asyncDispose]();
          served = await Served.start(database, maxTasks);
          break;
      }
    }
    for (const client of clients) client.connect();
    const { position } = served.clusters;
    for (const client of clients) {
      const isThere = (): boolean => {
        client.read();
        return client.state.isLive && client.cursor === `${served.epoch}:${position}`;
      };
      while (!isThere()) {
        served.hub.flush();
        await new Promise((resolve) => client.socket?.once('frame', resolve));
      }
    }
    await served.studio.camera.shutter();
    const state = stateOf(served.clusters, 'default');
    const uuids = await database.knex('task_states').pluck('task_id');
    const rows = await served.studio.snapshots.loadTasks('default', uuids);
    for (const { state: held, query } of clients) {
      const expected = new Map<string, object>();
      for (const row of rows) {
        const record = toTaskRecord(state, state.tasks.get(row.uuid) ?? row, now());
        const matches = { '': true, 'state:SUCCESS': record.state === 'SUCCESS', 'name:a': record.name === 'a' }[
          query['q'] ?? ''
        ];
        if (matches) expected.set(keyOf('default', row.uuid), record);
      }
      expect(new Map([...held.tasks].sort())).toEqual(new Map([...expected].sort()));
    }
    for (const client of clients) client.cut();
    await served.hub[Symbol.asyncDispose]();
  });
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
});
