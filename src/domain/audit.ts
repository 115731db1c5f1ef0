/**
 * Finds out how many events of a worker were lost: its heartbeats count the tasks that it accepted (`processed`), and each of
 * them should have told of itself by `task-started`.
 *
 * A worker's clock orders the two: what it had processed at a heartbeat was started before that heartbeat. Heartbeats
 * overtake task events, which travel in lists, so a heartbeat is judged only when two more have come. Counting begins at
 * the first heartbeat after an event of a task: a worker that sends none has its task events off, which is no loss.
 */
import type { Seconds } from './event.ts';

interface Heartbeat {
  readonly clock: number;
  readonly processed: number;
  /** When it arrived. */
  readonly at: Seconds;
  /** Tasks started before it, since the counting began. */
  started: number;
}

export interface Audit {
  /** It has told of some task. */
  tells: boolean;
  /** Where the counting began. */
  base: Heartbeat | null;
  /** The latest one that was judged. */
  judged: Heartbeat | null;
  /** Those that may still be waiting for events, oldest first. */
  pending: Heartbeat[];
  /** Tasks started since the counting began. */
  started: number;
  /** Clock of the latest of these. */
  clock: number;
  /** Tasks whose start was not heard of, at the last judgement. */
  lost: number;
}

/** Tasks whose start was not heard of, between two heartbeats. Times of arrival. */
export interface Loss {
  readonly started_at: Seconds;
  readonly ended_at: Seconds;
  readonly estimate: number;
}

/** Heartbeats that have to follow before one is judged. */
const PATIENCE = 2;

export function createAudit(): Audit {
  return { tells: false, base: null, judged: null, pending: [], started: 0, clock: 0, lost: 0 };
}

/** A `task-started` of this incarnation, told once. */
export function countStarted(audit: Audit, clock: number): void {
  audit.tells = true;
  if (clock > audit.clock) audit.clock = clock;
  if (audit.base === null || clock <= audit.base.clock) return;
  audit.started++;
  for (const heartbeat of audit.pending) if (clock < heartbeat.clock) heartbeat.started++;
  if (audit.judged && clock < audit.judged.clock) audit.judged.started++;
}

/** A heartbeat, in the order of the clock; tells of a loss that became certain by it. */
export function noteProcessed(audit: Audit, beat: Omit<Heartbeat, 'started'>): Loss | null {
  if (!audit.tells) return null;
  const heartbeat: Heartbeat = { ...beat, started: audit.started };
  if (audit.base === null || heartbeat.processed < audit.base.processed) {
    // What was started after this heartbeat and came before it would be counted for the next one.
    if (audit.clock > heartbeat.clock) return null;
    heartbeat.started = 0;
    Object.assign(audit, { base: heartbeat, judged: null, pending: [], started: 0, lost: 0 });
    return null;
  }
  audit.pending.push(heartbeat);
  if (audit.pending.length <= PATIENCE) return null;
  const judged = audit.pending.shift() as Heartbeat;
  const before = audit.judged ?? audit.base;
  audit.judged = judged;
  const lost = Math.max(0, judged.processed - audit.base.processed - judged.started);
  const more = lost - audit.lost;
  // Events that were late after all make it less.
  audit.lost = lost;
  return more > 0 ? { started_at: before.at, ended_at: judged.at, estimate: more } : null;
}
