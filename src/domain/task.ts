/** The record of one task: what the events said of it, in Celery's names. */
import type { Json, Seconds } from './event.ts';
import { copyLife, type Life } from './life.ts';
import { FAILURE, PENDING, REJECTED, REVOKED, SUCCESS } from './states.ts';
import { restoreLife } from './stored-life.ts';

/**
 * One task. Fields and their meaning are those of `celery.events.state.Task` (Celery 5.2); times are epoch seconds.
 * The fold changes a record in place: whoever needs it as it was takes a copy.
 *
 * Events are open and may carry anything: a value that does not fit its field's type stays in `extra` under the field's
 * own name, and the field is null (`state`: unchanged), so that nothing is lost and every reader may rely on the types.
 */
export interface Task {
  readonly kind: 'task';
  readonly uuid: string;
  name: string | null;
  /** `PENDING`, `RECEIVED`, `STARTED`, `SUCCESS`, `FAILURE`, `REVOKED`, `REJECTED`, `RETRY` or a custom state in upper case. */
  state: string;
  sent: Seconds | null;
  received: Seconds | null;
  started: Seconds | null;
  succeeded: Seconds | null;
  failed: Seconds | null;
  retried: Seconds | null;
  revoked: Seconds | null;
  rejected: Seconds | null;
  /** Python reprs, cut by the sender: for people, not data. */
  args: string | null;
  kwargs: string | null;
  result: string | null;
  exception: string | null;
  traceback: string | null;
  /** ISO 8601 text as sent. */
  eta: string | null;
  expires: string | null;
  retries: number | null;
  /** Seconds of execution. */
  runtime: Seconds | null;
  /** Time of the last event that counted. */
  timestamp: Seconds | null;
  clock: number | null;
  exchange: string | null;
  routing_key: string | null;
  root_id: string | null;
  parent_id: string | null;
  /** Node name of the client that sent `task-sent`. */
  client: string | null;
  /** Node name of the worker whose event came last. */
  worker: string | null;
  /** uuids of the tasks whose `parent_id` is this one; null when there are none. */
  children: Set<string> | null;
  /** Every other field of its events; null when there are none. */
  extra: Record<string, Json> | null;
  /** Its runs, as the `strict` reducer knows them; null for the `celery` reducer. */
  life: Life | null;
  /** What they do not say of its runs, as text, where it was loaded and nobody has asked for them since; see `lifeOf`. */
  stored_life: string | null;
}

/** A task of which nothing is known yet, with Celery's defaults. All fields in one literal: one hidden class for all tasks. */
export function createTask(uuid: string): Task {
  return {
    kind: 'task',
    uuid,
    name: null,
    state: PENDING,
    sent: null,
    received: null,
    started: null,
    succeeded: null,
    failed: null,
    retried: null,
    revoked: null,
    rejected: null,
    args: null,
    kwargs: null,
    result: null,
    exception: null,
    traceback: null,
    eta: null,
    expires: null,
    retries: null,
    runtime: null,
    timestamp: null,
    clock: 0,
    exchange: null,
    routing_key: null,
    root_id: null,
    parent_id: null,
    client: null,
    worker: null,
    children: null,
    extra: null,
    life: null,
    stored_life: null,
  };
}

/** The record as it is now: whatever becomes of the task, the copy stays. */
export function copyTask(task: Task): Task {
  const { children, extra, life } = task;
  return {
    ...task,
    children: children && new Set(children),
    extra: extra && { ...extra },
    life: life && copyLife(life),
  };
}

/** The names under which `extra` may hold a value that does not fit the field of that name. */
export const TASK_FIELDS: ReadonlySet<string> = new Set(
  Object.keys(createTask('')).filter((field) => !['kind', 'extra', 'children', 'life', 'stored_life'].includes(field)),
);

/** The runs of a task; null for the `celery` reducer. */
export function lifeOf(task: Task): Life | null {
  if (task.life === null && task.stored_life !== null) {
    task.life = restoreLife(task.stored_life, task);
    task.stored_life = null;
  }
  return task.life;
}

/**
 * True when nothing more is to come, so that memory may drop it first: what Celery calls ready, and a task that was rejected
 * for good. One that was rejected with `requeue`, or cancelled since its worker lost the broker, is delivered again.
 */
export function hasEnded(task: Task): boolean {
  return isReady(task) || (task.state === REJECTED && task.extra?.requeue === false);
}

/** Celery's `ready`: in one of its states for results. */
function isReady({ state }: Task): boolean {
  return state === SUCCESS || state === FAILURE || state === REVOKED; // READY_STATES, asked for each event
}
