/**
 * Finds out how many tasks of a worker process were missed: its heartbeats count the tasks that it accepted (`processed`),
 * and each of them should have told of itself by `task-started`.
 *
 * The process's clock orders the two: what a heartbeat counts was started before it. So between two heartbeats `processed`
 * must have grown by just as many `task-started` as have a clock between theirs. What may look like a loss and is none:
 * - Heartbeats overtake task events, which travel in lists: one is judged only when five more have come, and what is
 *   missing counts only if it is missing from those as well. This also covers pools that count and tell in two threads.
 * - Task events may be off: counting begins at the first heartbeat after a `task-started`, and a loss is told only when
 *   a later `task-started` shows that they are still on.
 * - A `task-started` that comes very late takes back what was found missing.
 *
 * Tasks with `send_events=False` are counted by their worker and tell nothing: they look as if they were missed.
 */
import type { Seconds } from './event.ts';

export interface Heartbeat {
  readonly clock: number;
  readonly processed: number;
  /** Tasks that are being executed; null when it does not say. */
  readonly active: number | null;
  /** When it arrived. */
  readonly at: Seconds;
}

/** A heartbeat, with the tasks that told of having started before it since the counting began. */
type Counted = Heartbeat & { started: number };

export interface Audit {
  /** The highest clock of a `task-started`; 0 before the first. */
  clock: number;
  /** Where the counting began. */
  base: Counted | null;
  /** Tasks started since. */
  started: number;
  /** Not judged yet, oldest first. */
  readonly pending: Counted[];
  /** The latest one up to which everything is accounted for. */
  settled: Counted | null;
  /** What is missing beyond `lost`, and when that was first seen: not told yet. */
  missing: { at: Seconds; count: number } | null;
  /** Tasks that were found missing, and told. */
  lost: number;
  /** The highest clock at which it was surely executing nothing; 0 when it never was. */
  idle: number;
}

/** Tasks that were not heard of, between two heartbeats. Times of arrival. */
export interface Loss {
  readonly started_at: Seconds;
  readonly ended_at: Seconds;
  readonly estimate: number;
}

/** Heartbeats that have to follow before one is judged: ten seconds by default. */
const PATIENCE = 5;

export function createAudit(): Audit {
  return { clock: 0, base: null, started: 0, pending: [], settled: null, missing: null, lost: 0, idle: 0 };
}

/** A `task-started` of this process, told once. */
export function countStarted(audit: Audit, clock: number): void {
  if (clock > audit.clock) audit.clock = clock;
  if (audit.base === null || clock <= audit.base.clock) return;
  audit.started++;
  const { pending } = audit;
  for (let i = pending.length - 1; i >= 0 && clock < (pending[i] as Counted).clock; i--)
    (pending[i] as Counted).started++;
  if (audit.settled && clock < audit.settled.clock) {
    audit.settled.started++;
    if (audit.lost > 0) audit.lost--;
  }
}

/** A heartbeat with its `processed`, in the order of the clock; tells of a loss that became certain by it. */
export function countHeartbeat(audit: Audit, heartbeat: Heartbeat): Loss | null {
  if (audit.clock === 0) return null;
  const { base, pending } = audit;
  if (base === null) {
    // Not one that was overtaken by a task that started after it.
    if (audit.clock < heartbeat.clock) audit.base = { ...heartbeat, started: 0 };
    return null;
  }
  pending.push({ ...heartbeat, started: audit.started });
  if (pending.length <= PATIENCE) return null;
  const judged = pending.shift() as Counted;
  if (judged.active === 0) audit.idle = judged.clock;
  const missing = Math.max(
    0,
    Math.min(...[judged, ...pending].map((each) => each.processed - base.processed - each.started)),
  );
  if (missing <= audit.lost) {
    audit.settled = judged;
    audit.missing = null;
    return null;
  }
  const count = missing - audit.lost;
  if (audit.missing === null || count > audit.missing.count) audit.missing = { at: judged.at, count };
  else audit.missing.count = count;
  if (audit.clock <= judged.clock) return null;
  const started_at = (audit.settled ?? base).at;
  const ended_at = audit.missing.at;
  audit.lost = missing;
  audit.settled = judged;
  audit.missing = null;
  return { started_at, ended_at, estimate: count };
}

/** Tasks that were heard of and that were missed, as far as this process could be judged. */
export function capturedBy({ settled, lost }: Audit): { readonly captured: number; readonly lost: number } {
  return { captured: settled?.started ?? 0, lost };
}
