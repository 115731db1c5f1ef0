/**
 * Finds out how many tasks of a worker process were missed: its heartbeats count the tasks that it accepted (`processed`),
 * and each of them should have told of itself by `task-started`.
 *
 * The process's clock orders the two: what a heartbeat counts was started before it. So between two heartbeats `processed`
 * must have grown by just as many `task-started` as have a clock between theirs. What may look like a loss and is none:
 * - Heartbeats overtake task events, which travel in lists: one is judged ten seconds and two more heartbeats later, and
 *   what is missing counts only if it is missing from those as well. This also covers pools that count and tell in two
 *   threads.
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
  /** When it was sent, … */
  readonly at: Seconds;
  /** … and when it arrived. */
  readonly arrived: Seconds;
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
  /** What is missing beyond `lost`, and the heartbeat by which it grew so large: not told yet. */
  missing: { readonly clock: number; readonly arrived: Seconds; count: number } | null;
  /** Tasks that were found missing, and told. */
  lost: number;
  /** The highest clock at which it was surely executing nothing; 0 when it never was. */
  idle: number;
}

/** Tasks that were not heard of, between the sending of one heartbeat and the arrival of another. */
export interface Loss {
  readonly started_at: Seconds;
  readonly ended_at: Seconds;
  readonly estimate: number;
}

/** What has to follow before a heartbeat is judged: heartbeats, … */
const PATIENCE = 2;
/** … and time: after an outage many come at once. */
const SETTLE: Seconds = 10;
/** Heartbeats that wait to be judged, at most: then fewer are looked at. */
const MAX_PENDING = 30;

/** A loss that goes on is told as one, but as often as this. */
const TELL_EVERY: Seconds = 60;

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
  if (pending.length > MAX_PENDING) pending.splice(1, 1);
  let loss: Loss | null = null;
  while (loss === null && pending.length > PATIENCE && heartbeat.arrived - (pending[0] as Counted).arrived >= SETTLE) {
    loss = judge(audit, base, pending);
  }
  return loss;
}

/** Judges the oldest of the pending. */
function judge(audit: Audit, base: Counted, pending: Counted[]): Loss | null {
  const missing = Math.max(0, Math.min(...pending.map((each) => each.processed - base.processed - each.started)));
  const judged = pending.shift() as Counted;
  if (judged.active === 0) audit.idle = judged.clock;
  const count = missing - audit.lost;
  if (count <= 0) {
    audit.settled = judged;
    audit.missing = null;
    return null;
  }
  const before = audit.settled ?? base;
  if (audit.missing === null || count > audit.missing.count) {
    audit.missing = { clock: judged.clock, arrived: judged.arrived, count };
    if (judged.arrived - before.arrived < TELL_EVERY) return null;
  }
  audit.missing.count = count;
  if (audit.clock <= audit.missing.clock) return null;
  const loss = { started_at: before.at, ended_at: audit.missing.arrived, estimate: count };
  audit.lost = missing;
  audit.settled = judged;
  audit.missing = null;
  return loss;
}

/** Tasks that were heard of and that were missed, as far as this process could be judged. */
export function capturedBy({ settled, lost }: Audit): { readonly captured: number; readonly lost: number } {
  return { captured: settled?.started ?? 0, lost };
}
