/** What the database tells of workers that go away, of their tasks, and of events that were missed. */
import { expect, test } from 'vitest';
import type { Delivery } from '../../src/broker/delivery.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { Event } from '../../src/domain/event.ts';
import type { Gap } from '../../src/domain/gap.ts';
import { hear } from '../../src/domain/hearing.ts';
import { createClusters } from '../../src/domain/state.ts';
import { GapRecorder } from '../../src/gaps.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { Recorder } from '../../src/recorder.ts';
import { createLock } from '../../src/runtime.ts';
import { createStudio, type Studio } from '../support/camera.ts';
import { type Migrated, migratedDatabase, NOON } from '../support/database.ts';
import { FakeServer } from '../support/feed.ts';
import { type Message, messagesOf } from '../support/worker-process.ts';

const LIMITS = { maxTasks: 1000, maxWorkers: 1000 };
const DAY = 86_400;

/** A camera behind a strict fold. */
function strictStudio(database: Migrated): Studio {
  return createStudio(database.knex, { clusters: createClusters(LIMITS, { fold: 'strict' }) });
}

let clock = 0;
/** An event of process 1 of `w@h`, sent and received some seconds ago. */
function say(studio: Studio, type: string, ago: number, fields: Record<string, unknown> = {}): void {
  clock++;
  const at = Date.now() / 1000 - ago;
  const event = { type, hostname: 'w@h', pid: 1, clock, timestamp: at, utcoffset: 0, ...fields } as Event;
  studio.say(event, 'default', at);
}

test('a worker that falls silent leaves its tasks orphaned, until it is heard of again', async () => {
  await using database = await migratedDatabase();
  const studio = strictStudio(database);
  const rows = async () =>
    database.knex('task_states').select('task_id', 'state', 'orphaned_at', 'orphaned_reason').orderBy('task_id');
  const worker = async () => database.knex('worker_states').first('status', 'reason');
  const ago = 20;
  const heard = Date.now() / 1000 - ago;
  say(studio, 'worker-heartbeat', ago, { freq: 2, active: 1, processed: 2 });
  for (const uuid of ['begun', 'ended']) say(studio, 'task-started', ago, { uuid });
  say(studio, 'task-received', ago, { uuid: 'waiting' });
  say(studio, 'task-succeeded', ago, { uuid: 'ended' });
  await studio.camera.shutter();
  expect(await worker()).toEqual({ status: 'SUSPECT', reason: null });
  // Twenty seconds later nothing was heard of it, …
  const record = studio.state().workers.get('w@h');
  if (record) record.heartbeats = [heard - 20];
  await studio.camera.shutter();
  expect(await worker()).toEqual({ status: 'OFFLINE', reason: 'lost' });
  expect(await rows()).toEqual([
    { task_id: 'begun', state: 'STARTED', orphaned_at: heard - 20, orphaned_reason: 'lost' },
    { task_id: 'ended', state: 'SUCCESS', orphaned_at: null, orphaned_reason: null },
    { task_id: 'waiting', state: 'RECEIVED', orphaned_at: null, orphaned_reason: null },
  ]);
  // … but it was there.
  say(studio, 'worker-heartbeat', 0, { freq: 2, active: 1, processed: 2 });
  await studio.camera.shutter();
  expect(await worker()).toEqual({ status: 'ONLINE', reason: null });
  expect((await rows())[0]).toMatchObject({ state: 'STARTED', orphaned_at: null, orphaned_reason: null });
  expect(await database.knex('worker_history').select('status', 'reason').orderBy('since')).toEqual([
    { status: 'SUSPECT', reason: null },
    { status: 'OFFLINE', reason: 'lost' },
  ]);
});

test('a restart knows what was known of processes, and when nothing could be heard', async () => {
  await using database = await migratedDatabase();
  const studio = strictStudio(database);
  for (let ago = 40; ago > 0; ago -= 2) {
    say(studio, 'task-started', ago, { uuid: `u${ago}` });
    say(studio, 'worker-heartbeat', ago, { freq: 2, active: 0, processed: (42 - ago) / 2 });
  }
  const now = Date.now() / 1000;
  for (const at of [now - 40, now - 39, now - 3, now]) hear(studio.state().hearing, at);
  await studio.camera.shutter();
  const restored = createClusters(LIMITS, { fold: 'strict' });
  await studio.snapshots.restore(restored);
  expect(restored.byName.get('default')?.workers).toEqual(studio.state().workers);
  expect(restored.byName.get('default')?.hearing).toEqual({ until: now, outages: [{ from: now - 39, to: now - 3 }] });
});

test('workers that are gone for long leave memory and table, but not those whose tasks are orphaned', async () => {
  await using database = await migratedDatabase();
  const studio = strictStudio(database);
  for (const hostname of ['gone@h', 'orphans@h', 'here@h', 'back@h']) {
    say(studio, 'worker-online', 2 * DAY, { hostname, freq: 2, active: 0, processed: 0 });
    say(studio, 'task-started', 2 * DAY, { hostname, uuid: hostname });
    if (hostname !== 'orphans@h') say(studio, 'task-succeeded', 2 * DAY, { hostname, uuid: hostname });
  }
  say(studio, 'worker-heartbeat', 0, { hostname: 'here@h', freq: 2, active: 0, processed: 1 });
  await studio.camera.shutter();
  await database.knex('snapshots').update({ taken_at: new Date(Date.now() - 1.5 * DAY * 1000) });
  say(studio, 'worker-heartbeat', 0, { hostname: 'back@h', freq: 2, active: 0, processed: 1 });
  await studio.camera.cleanup();
  const hostnames = async () => database.knex('worker_states').orderBy('hostname').pluck('hostname');
  expect(await hostnames()).toEqual(['here@h', 'orphans@h']);
  expect([...studio.state().workers.keys()]).toEqual(['orphans@h', 'here@h', 'back@h']);
  expect(await database.knex('worker_history').orderBy('hostname').pluck('hostname')).toEqual(['back@h', 'gone@h']);
  // What came back in the meantime is there again with the next picture.
  await studio.camera.shutter();
  expect(await hostnames()).toEqual(['back@h', 'here@h', 'orphans@h']);
});

/** The part of the program that records and folds, started on a database. */
async function openRecorder(database: Migrated) {
  const diagnostics = createDiagnostics();
  const gaps: Gap[] = [];
  diagnostics.on('gap', (gap) => gaps.push(gap));
  const lock = createLock();
  const clusters = createClusters(LIMITS, { fold: 'strict' });
  const studio = createStudio(database.knex, { clusters, lock });
  await studio.snapshots.restore(clusters);
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const { signal } = new AbortController();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const recorder = new GapRecorder(journal, log, signal);
  const { hub } = new FakeServer({ clusters });
  const parts = { clusters, journal, snapshots: studio.snapshots, camera: studio.camera, hub, diagnostics, lock };
  const recording = new Recorder({ ...parts, onGap: recorder.record });
  return {
    camera: studio.camera,
    state: () => studio.state(),
    recording,
    record: (messages: readonly Message[], onTaken?: () => void) =>
      recording.record(batches(messages, onTaken), signal),
    /** Waits until every gap that was found is in the database. */
    gaps: async (): Promise<readonly Gap[]> => {
      await recorder[Symbol.asyncDispose]();
      return gaps;
    },
  };
}

/** @param onTaken called each time when a batch is being recorded */
async function* batches(
  messages: readonly Message[],
  onTaken: () => void = () => undefined,
): AsyncGenerator<readonly Delivery[], void, undefined> {
  for (const { at, events } of messages) {
    yield [
      {
        ...{
          cluster: 'default',
          routing_key: 'task.multi',
          content_encoding: 'utf-8',
          headers: {},
          redelivered: false,
        },
        ...{ content_type: 'application/json', body: Buffer.from(JSON.stringify(events)), receipt: null },
        local_received: NOON + at,
      },
    ];
    onTaken();
  }
}

test('events that were missed become a gap, once, also when the recorder is killed after it has found them', async () => {
  await using database = await migratedDatabase();
  const starts = Array.from({ length: 60 }, (_, n) => 1.5 + n);
  const messages = messagesOf({
    ...{ hostname: 'w@h', pid: 1, from: 0, to: 90, clock: 1, starts, enabled: 0, delays: [0.1], solo: false },
    ...{ asked: [], outage: null, race: false },
  }).map(({ at, events }) => ({
    at,
    events: events
      .filter(({ timestamp }) => !(Number(timestamp) > 20 && Number(timestamp) < 27))
      .map((event): Event => ({ ...event, timestamp: NOON + Number(event['timestamp']) })),
  }));
  const first = await openRecorder(database);
  await first.record(messages.filter(({ at }) => at < 25));
  await first.camera.shutter();
  await first.record(messages.filter(({ at }) => at >= 25));
  const gap = {
    ...{ cluster: 'default', cause: 'heartbeat-audit', started_at: NOON + 20, ended_at: NOON + 28, estimate: 7 },
    detail: 'w@h has begun 7 more tasks than it was heard to begin: their events were missed',
  };
  expect(await first.gaps()).toEqual([gap]);

  const second = await openRecorder(database);
  expect(second.state().losses).toEqual([]);
  await second.recording.catchUp(new AbortController().signal);
  expect(await second.gaps()).toEqual([gap]);
  expect(second.state().workers.get('w@h')).toEqual(first.state().workers.get('w@h'));
  const rows = await database.knex('gaps').select('cause', 'estimate', 'started_at', 'ended_at');
  expect(rows).toEqual([
    { cause: gap.cause, estimate: 7, started_at: new Date(1000 * (NOON + 20)), ended_at: new Date(1000 * (NOON + 28)) },
  ]);
});

test('while the database is away, what could not be folded yet counts as not heard', async () => {
  await using database = await migratedDatabase();
  const { record, recording, state } = await openRecorder(database);
  const beat = (at: number): Message => ({
    at,
    events: [{ type: 'worker-heartbeat', hostname: 'w@h', pid: 1, clock: at, timestamp: NOON + at, freq: 2 }],
  });
  await record([beat(1)]);
  await recording.listen(new Set(['default']), NOON + 2);
  expect(state().hearing.until).toBe(NOON + 2);
  // Nobody else may append: the batch waits.
  const transaction = await database.knex.transaction();
  await transaction.raw('lock table journal_head in access exclusive mode');
  let recorded = Promise.resolve();
  await new Promise<void>((resolve) => {
    recorded = record([beat(3)], resolve);
  });
  await recording.listen(new Set(['default']), NOON + 100);
  expect(state().hearing.until).toBe(NOON + 2);
  await transaction.commit();
  await recorded;
  await recording.listen(new Set(['default']), NOON + 101);
  expect(state().hearing).toEqual({ until: NOON + 101, outages: [{ from: NOON + 2, to: NOON + 101 }] });
  // Not connected, it hears what other recorders put into the journal, and nothing else.
  await recording.listen(new Set(), NOON + 200);
  expect(state().hearing.until).toBe(NOON + 101);
});
