/** How long a shutter takes, history included, and how long it holds up the event loop. */
import { randomUUID } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Camera } from '../../src/camera/camera.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { Event } from '../../src/domain/event.ts';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';
import { openDatabase } from '../../src/store/database.ts';
import { migrateDown, migrateUp } from '../../src/store/migrate.ts';
import { createSnapshots } from '../../src/store/snapshots.ts';

export interface ShutterFigures {
  /** Tasks per second written for the first time. */
  readonly insert: number;
  /** Tasks per second written again, the old version going to history. */
  readonly update: number;
  /** Longest time that the event loop stood still, milliseconds. */
  readonly blocked: number;
}

/** @param url a database whose schema `celerycam_bench` may be dropped */
export async function benchShutter(url: string, count = 10_000, rounds = 4): Promise<ShutterFigures> {
  await using database = await openDatabase({ url, schema: 'celerycam_bench' });
  await migrateUp(database);
  await migrateDown(database, { all: true });
  await migrateUp(database);
  const clusters = createClusters({ maxTasks: 1_000_000, maxWorkers: 1000 });
  const diagnostics = createDiagnostics();
  const camera = new Camera(
    {
      frequency: 1,
      maxrate: null,
      cleanupFrequency: 3600,
      expireSuccess: null,
      expireError: null,
      expirePending: null,
      historyRetention: null,
      results: { schemas: [], expires: null },
      retireWorkers: null,
    },
    { clusters, snapshots: createSnapshots(database.knex), diagnostics, lock: async (work) => work() },
  );
  const seconds: number[] = [];
  diagnostics.on('camera:shutter', (picture) => seconds.push(picture.seconds));
  diagnostics.on('camera:failed', ({ reason }) => {
    throw new Error(reason);
  });
  let position = 0;
  const say = (event: Event): void => {
    position += 1;
    const entry = { position, cluster: 'default', local_received: Date.now() / 1000, event };
    camera.expose(stateOf(clusters, 'default'), fold(clusters, entry), entry.event);
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let blocked = 0;
  const shutter = async (): Promise<void> => {
    delay.reset();
    delay.enable();
    await camera.shutter();
    delay.disable();
    blocked = Math.max(blocked, delay.max / 1e6);
  };
  const rates: { insert: number[]; update: number[] } = { insert: [], update: [] };
  for (let round = 0; round < rounds; round += 1) {
    const uuids = Array.from({ length: count }, () => randomUUID());
    for (const kind of ['insert', 'update'] as const) {
      uuids.forEach((uuid, n) => {
        const base = {
          uuid,
          hostname: `celery@web${n % 50}`,
          pid: n % 50,
          clock: position,
          timestamp: Date.now() / 1000,
          utcoffset: 0,
        };
        if (kind === 'insert')
          say({
            ...base,
            type: 'task-received',
            name: `proj.tasks.t${n % 40}`,
            args: '(1, 2)',
            kwargs: '{}',
            root_id: uuid,
            parent_id: null,
            retries: 0,
            eta: null,
            expires: null,
          });
        else if (n % 20 === 0)
          say({ ...base, type: 'task-failed', exception: "ValueError('x')", traceback: TRACEBACK });
        else say({ ...base, type: 'task-succeeded', result: '4', runtime: 0.0044 });
      });
      await shutter();
      rates[kind].push(count / (seconds.at(-1) ?? Number.NaN));
    }
  }
  await migrateDown(database, { all: true });
  return { insert: median(rates.insert), update: median(rates.update), blocked };
}

const TRACEBACK = `Traceback (most recent call last):\n${'  File "/srv/proj/tasks.py", line 12, in run\n    return fun(*args, **kwargs)\n'.repeat(14)}ValueError: x\n`;

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
