/** A camera on a real database with a fold before it, as the program has them. */
import type { Knex } from 'knex';
import { Camera, type CameraOptions, type CameraParts } from '../../src/camera/camera.ts';
import { createDiagnostics, type Diagnostics } from '../../src/diagnostics.ts';
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, type FoldName, fold, type State, stateOf } from '../../src/domain/state.ts';
import { storeLife } from '../../src/domain/stored-life.ts';
import { createTask, lifeOf, type Task } from '../../src/domain/task.ts';
import { createLock } from '../../src/runtime.ts';
import { createSnapshots, type Snapshots } from '../../src/store/snapshots.ts';

export const OPTIONS: CameraOptions = {
  frequency: 1,
  maxrate: null,
  cleanupFrequency: 3600,
  expireSuccess: 86_400,
  expireError: 3 * 86_400,
  expirePending: 5 * 86_400,
  retireWorkers: 86_400,
  historyRetention: 7 * 86_400,
  results: { schemas: [], expires: null },
};

export interface Studio {
  readonly camera: Camera;
  readonly clusters: Clusters;
  readonly snapshots: Snapshots;
  readonly diagnostics: Diagnostics;
  /** Ids of the snapshots so far, and reasons of failures. */
  readonly taken: number[];
  readonly failures: string[];
  /** Folds an event as the program does. */
  say(event: Event, cluster?: string, local_received?: number): void;
  state(cluster?: string): State;
}

export function createStudio(
  knex: Knex,
  more: Partial<CameraOptions & CameraParts> & { maxTasks?: number; fold?: FoldName } = {},
): Studio {
  const { maxTasks = 1000, fold: name = 'celery', ...rest } = more;
  const clusters = rest.clusters ?? createClusters({ maxTasks, maxWorkers: 1000 }, { fold: name });
  const snapshots = createSnapshots(knex);
  const diagnostics = createDiagnostics();
  const taken: number[] = [];
  const failures: string[] = [];
  diagnostics.on('camera:shutter', ({ snapshot }) => taken.push(snapshot));
  diagnostics.on('camera:failed', ({ reason }) => failures.push(reason));
  const camera = new Camera({ ...OPTIONS, ...rest }, { clusters, snapshots, diagnostics, lock: createLock(), ...rest });
  return {
    camera,
    clusters,
    snapshots,
    diagnostics,
    taken,
    failures,
    say(event, cluster = 'default', local_received = Date.now() / 1000) {
      const entry = { position: clusters.position + 1, cluster, local_received, event };
      const change = fold(clusters, entry);
      camera.expose(stateOf(clusters, cluster), change, event);
    },
    state: (cluster = 'default') => stateOf(clusters, cluster),
  };
}

/** All that a state tells, in an order that does not depend on the way to it. */
export function told(clusters: Clusters): unknown {
  const byKey = <T>(map: Iterable<[string, T]>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    position: clusters.position,
    clusters: byKey(clusters.byName).map(([cluster, state]) => ({
      cluster,
      event_count: state.event_count,
      task_count: state.task_count,
      clock: state.clock,
      evicted_active: state.evicted_active,
      task_types: [...state.task_types].sort(),
      tasks: byKey(state.tasks).map(([, task]) => ({
        ...task,
        ...livesOf(task),
        children: [...(task.children ?? [])].sort(),
      })),
      workers: byKey(state.workers).map(([, worker]) => ({ ...worker })),
    })),
  };
}

/** A life is loaded as text and read when it is asked for: it is compared as what it says. */
function livesOf(task: Task): object {
  const life = lifeOf(task);
  return { life: life && storeLife(life, createTask('')), stored_life: null };
}
