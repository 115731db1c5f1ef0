/**
 * The whole service, in the order in which an event travels through it:
 *
 *     broker ─> receiver ─> inbox ─> decoder ─> journal ─> fold ─> state ─┬─> camera ─> snapshots
 *                                                                         └─> hub ────> live feed
 */
import { BEAT_CONNECTIONS, createBeat } from './beating.ts';
import { Inbox } from './broker/inbox.ts';
import type { ReceiverStatus } from './broker/receiver.ts';
import { Camera } from './camera/camera.ts';
import type { Config } from './config.ts';
import { createDiagnostics, type Diagnostics } from './diagnostics.ts';
import { createClusters, stateOf } from './domain/state.ts';
import { MonitorError } from './errors.ts';
import { GapRecorder } from './gaps.ts';
import { refuseOpen } from './http/access.ts';
import { QUESTIONS_AT_ONCE } from './http/gate.ts';
import { createJournal } from './journal/postgres.ts';
import { HUB_DEFAULTS, Hub } from './live/hub.ts';
import { type Logger, logDiagnostics } from './log.ts';
import { createReceivers } from './receivers.ts';
import { Recorder } from './recorder.ts';
import { openRedactor } from './redaction-rules.ts';
import { AsyncStack, createLock, every, type Loop, now, supervise } from './runtime.ts';
import { serve } from './serving.ts';
import { openConfigured } from './store/configured.ts';
import { migrateUp } from './store/migrate.ts';
import { createSnapshots } from './store/snapshots.ts';
import { createTokens } from './store/tokens.ts';
import { createTurn, type Turn } from './store/turn.ts';
import { VERSION } from './version.ts';

/** Records and serves until the signal aborts, then closes everything in reverse order. @throws MonitorError */
export async function run(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  diagnostics: Diagnostics = createDiagnostics(),
): Promise<void> {
  await using stack = new AsyncStack();
  signal.addEventListener('abort', () =>
    log.info({}, 'stopping: what has arrived is recorded, and one last snapshot taken'),
  );
  logDiagnostics(diagnostics, log);

  // The record: the journal, and the pictures of what it led to.
  // One connection for each cluster's turn, some for all that goes on at once, and two for each question.
  const poolSize = 7 + config.brokers.length + BEAT_CONNECTIONS + 2 * QUESTIONS_AT_ONCE;
  const database = await openConfigured({ ...config.database, poolSize }, stack);
  await migrateUp(database);
  const tokens = createTokens(database.knex);
  refuseOpen(
    config.http,
    (await tokens.list()).some(({ revoked_at }) => revoked_at === null),
  );
  const journal = createJournal(database.knex, { ...config.journal, diagnostics });
  await journal.maintain();
  const epoch = await journal.epoch();
  const snapshots = createSnapshots(database.knex);
  const gaps = stack.use(new GapRecorder(journal, log, signal));

  // Recover: the state is what the last picture shows, and every event since.
  const clusters = createClusters(config.state, config.state);
  await snapshots.restore(clusters);
  const lock = createLock();
  const camera = stack.use(new Camera(config.camera, { clusters, snapshots, diagnostics, lock }));
  const inbox = new Inbox(config.inbox);
  const receiverParts = {
    ...{ inbox, diagnostics, log, onGap: gaps.record },
    onJoin: (cluster: string): void => gaps.joining(cluster, stateOf(clusters, cluster).last_received),
    turnOf: (cluster: string): Turn => createTurn(database.knex, `guest of ${cluster}`),
  };
  const receivers = await createReceivers(config, receiverParts, signal);
  const simulated = receivers.some(({ status }) => status.simulated);
  if (simulated && config.periodic.beat) {
    const message = '--beat: there is no broker to send periodic tasks to, only a simulated cluster';
    throw new MonitorError('CONFIG_INVALID', `${message}; name one with --broker`);
  }
  const hub = new Hub(
    {
      ...{ clusters, clock: now, journal, snapshots },
      pending: (state, uuid) => camera.pending(state, uuid),
      failed: (error) => log.error({ error }, 'a client of the live feed could not be served'),
    },
    { version: VERSION, epoch, simulated, ...HUB_DEFAULTS },
  );
  hub.observe(diagnostics);
  await hub.recall();
  const redactor = openRedactor(config, (cluster, uuid) => stateOf(clusters, cluster).tasks.get(uuid)?.name ?? null);
  const parts = { clusters, journal, redactor, snapshots, camera, hub, diagnostics, lock };
  const recorder = new Recorder({ ...parts, onGap: gaps.record });
  await recorder.catchUp(signal);

  // Out: who looks at the state.
  const statuses = (): readonly ReceiverStatus[] => receivers.map(({ status }) => status);
  const seen = { journal, camera, inbox, hub, clusters, simulated, receivers: statuses, tokens, diagnostics, log };
  const { server, loops } = await serve(config, { database, ...seen });
  stack.use(server);
  log.info({ url: server.url, position: clusters.position, simulated }, 'serving');

  // In: what arrives is recorded, then acknowledged, then folded, then shown.
  for (const receiver of receivers) stack.use(receiver);
  diagnostics.on('receiver:ready', ({ cluster }) => {
    for (const status of statuses()) if (status.cluster === cluster) gaps.joined(status);
  });
  const ingest: Loop = (signal) => recorder.record(inbox.batches(signal), signal);
  const upkeep = every(
    3600,
    () => journal.maintain(),
    (error) => log.error({ error }, 'upkeep of the journal failed'),
  );
  const listening = every(
    0.5,
    () => recorder.listen(new Set(statuses().flatMap((each) => (each.connected ? [each.cluster] : []))), now()),
    (error) => log.error({ error }, 'keeping account of what can be heard failed'),
  );
  const joined = receivers.map(
    (receiver): Loop =>
      (signal) =>
        receiver.run(signal),
  );
  // Beside: periodic tasks are sent when they are due.
  const beat = config.periodic.beat ? createBeat(config, { db: database.knex, epoch, diagnostics }) : null;
  const beating: readonly Loop[] = beat ? [(signal) => beat.run(signal)] : [];
  const photographing: Loop = (signal) => camera.run(signal);
  await supervise(signal, [...joined, ...loops, ingest, listening, recorder.follow, photographing, upkeep, ...beating]);
}
