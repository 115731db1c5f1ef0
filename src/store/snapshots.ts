/** The store of pictures, as its users see it. */
import type { Knex } from 'knex';
import type { Position, Seconds } from '../domain/event.ts';
import type { Clusters } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import { databaseError, expiryTime } from '../postgres.ts';
import { cleanup, type Expiry, type Removed } from './cleanup.ts';
import { Picture } from './picture.ts';
import { loadTasks, type Recovered, restore } from './recovery.ts';

/** All methods that wait throw MonitorError DATABASE_UNREACHABLE where the database fails, and may be called again. */
export interface Snapshots {
  /** A new, empty picture; does no IO. @param takenAt epoch seconds */
  begin(takenAt: Seconds, position: Position): Picture;
  /**
   * Writes a picture in one transaction. Returns the snapshot's id, or null where another recorder on the same database
   * is further already and has written all of this.
   */
  save(picture: Picture): Promise<number | null>;
  /** Loads the latest picture into empty `clusters`; null where none was taken yet. */
  restore(clusters: Clusters): Promise<Recovered | null>;
  /** Tasks that are not in memory, as the latest picture has them. */
  loadTasks(cluster: string, uuids: readonly string[]): Promise<Task[]>;
  /** Removes what has expired, in small transactions; stops between two when the signal aborts. */
  cleanup(expiry: Expiry, signal?: AbortSignal): Promise<Removed>;
}

export function createSnapshots(db: Knex): Snapshots {
  return {
    begin: (takenAt, position) => new Picture(takenAt, position),
    save: (picture) => picture.save(db).catch(rethrow),
    restore: (clusters) => restore(db, clusters).catch(rethrow),
    loadTasks: (cluster, uuids) => loadTasks(db, cluster, uuids).catch(rethrow),
    cleanup: (expiry, signal) =>
      expiryTime(db)
        .then((time) => cleanup(db, expiry, time, signal))
        .catch(rethrow),
  };
}

function rethrow(error: unknown): never {
  throw databaseError(error);
}
