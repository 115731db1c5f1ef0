/** What one cluster's state holds in memory, and for how long: creation, eviction, families, restoring. Shared by all reducers. */
import type { Loss } from './audit.ts';
import { Ended } from './ended.ts';
import type { Json, Seconds } from './event.ts';
import { createHearing, type Hearing } from './hearing.ts';
import { createTask, hasEnded, TASK_FIELDS, type Task } from './task.ts';
import { TaskTable } from './task-table.ts';
import { Texts } from './texts.ts';
import type { TimeOrder } from './time-order.ts';
import { Weights } from './weight.ts';
import { createWorker, WORKER_FIELDS, type Worker } from './worker.ts';

/** One cluster. The records and counters are for all to read; only the fold and what restores the state write them. */
export interface State {
  readonly cluster: string;
  /** By uuid, in the order in which they came to be known. */
  readonly tasks: TaskTable;
  /** By node name, in the order in which they came to be known. */
  readonly workers: Map<string, Worker>;
  /** Every task name ever seen; at most 10,000 of them. */
  readonly task_types: Set<string>;
  /** Events folded, of whatever type. */
  event_count: number;
  /** `task-received` events folded. */
  task_count: number;
  /** The monitor's own Lamport clock, as Celery's receiver keeps it. */
  clock: number;
  /** Tasks that were dropped from memory while they had not ended. */
  evicted_active: number;
  /** True once some task that the database may know is not in memory. */
  forgetful: boolean;
  /** When the latest event was received, epoch seconds; null before the first. */
  last_received: Seconds | null;
  /** When events could be heard at all; whoever listens to the broker keeps account of it. */
  readonly hearing: Hearing;
  /** Losses that the `strict` reducer found out; whoever folds takes them away. */
  readonly losses: (Loss & { readonly hostname: string })[];
  /** Celery's order of tasks by time; null where nobody asks for it. */
  readonly timeOrder: TimeOrder | null;
  readonly limits: Limits;
  /** Which tasks hold much text. */
  readonly weights: Weights;
  readonly indexes: Indexes;
}

export interface Limits {
  /** At most so many tasks of a cluster in memory, one or more: finished ones go first, oldest first. */
  readonly maxTasks: number;
  /** And at most so much text of those with much of it, in bytes, beside the task that grew last. @default unbounded */
  readonly maxTaskBytes?: number;
  /** At most so many workers of a cluster, one or more: the one that came first goes first. */
  readonly maxWorkers: number;
}

/** What is kept beside the records to find them. Of no interest outside the reducers. */
interface Indexes {
  readonly ended: Ended;
  /** By the uuid of a parent that is not in memory: its children that are. */
  readonly waiting: Map<string, Set<string>>;
  /** Parents that a task had before its present one, by the task's uuid: a retried task becomes its own parent. */
  readonly formerParents: Map<string, string[]>;
  /** While restoring: parents by the uuid of a child that was not restored yet. */
  readonly expected: Map<string, string[]>;
  /** Records whose `extra` holds a value under the name of a field. */
  readonly misfits: Set<Task | Worker>;
  readonly texts: Texts;
}

const MAX_NAMES = 10_000;

/** Celery gives a task one parent, itself when it is retried, and another when it replaces itself. */
const MAX_FORMER_PARENTS = 16;

export function createState(cluster: string, limits: Limits, timeOrder: TimeOrder | null): State {
  return {
    cluster,
    tasks: new TaskTable(),
    workers: new Map(),
    task_types: new Set(),
    event_count: 0,
    task_count: 0,
    clock: 0,
    evicted_active: 0,
    forgetful: false,
    last_received: null,
    hearing: createHearing(),
    losses: [],
    timeOrder,
    limits,
    weights: new Weights(),
    indexes: {
      ended: new Ended(),
      waiting: new Map(),
      formerParents: new Map(),
      expected: new Map(),
      misfits: new Set(),
      texts: new Texts(),
    },
  };
}

/** A new task in memory, another one evicted for it at the limit. */
export function addTask(state: State, uuid: string): Task {
  return keepTask(state, createTask(uuid));
}

/** A new worker in memory, the oldest one evicted for it at the limit. */
export function addWorker(state: State, hostname: string): Worker {
  return keepWorker(state, createWorker(hostname));
}

/** Drops a worker from memory. */
export function dropWorker(state: State, worker: Worker): void {
  state.workers.delete(worker.hostname);
  state.indexes.misfits.delete(worker);
}

/** To be called when `hasEnded(task)` has changed. */
export function noteReady(state: State, task: Task): void {
  if (hasEnded(task)) state.indexes.ended.add(task);
  else state.indexes.ended.leave(task);
}

/** To be called when a task may have grown by much: then others with much text may have to go, in the usual order. */
export function weigh(state: State, grown: Task): void {
  const { weights, limits } = state;
  const { maxTaskBytes = Number.POSITIVE_INFINITY } = limits;
  weights.weigh(grown);
  if (weights.total <= maxTaskBytes) return;
  const gone = new Set<Task>();
  for (const ended of [true, false]) {
    for (const task of weights.tasks()) {
      // Some more than there need be, so that they are not gone through with each event.
      if (weights.total <= maxTaskBytes * 0.9) break;
      if (task === grown || hasEnded(task) !== ended) continue;
      if (ended) gone.add(task);
      else state.evicted_active++;
      dropTask(state, task);
    }
  }
  state.indexes.ended.drop(gone);
}

/** A task name as it is kept; a new one is noted in `task_types`. */
export function shareName(state: State, name: string): string {
  const shared = state.indexes.texts.share(name);
  const { task_types } = state;
  if (task_types.size < MAX_NAMES && !task_types.has(shared)) task_types.add(shared);
  return shared;
}

/** Puts a task among its parent's children, or lets it wait for the parent to appear. */
export function joinParent(state: State, task: Task, parentId: string): void {
  const parent = state.tasks.get(parentId);
  if (parent) {
    parent.children ??= new Set();
    parent.children.add(task.uuid);
    return;
  }
  const { waiting } = state.indexes;
  const siblings = waiting.get(parentId);
  if (siblings) siblings.add(task.uuid);
  else waiting.set(parentId, new Set([task.uuid]));
}

/** Gives a task the children that were waiting for it. */
export function takeChildren(state: State, task: Task): void {
  const { waiting } = state.indexes;
  if (waiting.size === 0) return;
  const children = waiting.get(task.uuid);
  if (!children) return;
  waiting.delete(task.uuid);
  if (!task.children) task.children = children;
  else for (const uuid of children) task.children.add(uuid);
}

/** Remembers a parent that the task no longer names but whose child it stays, as in Celery. */
export function leaveParent(state: State, task: Task, parentId: string): void {
  const { formerParents } = state.indexes;
  const former = formerParents.get(task.uuid);
  if (!former) {
    formerParents.set(task.uuid, [parentId]);
  } else if (!former.includes(parentId)) {
    former.push(parentId);
    if (former.length > MAX_FORMER_PARENTS) disown(state, former.shift() as string, task.uuid);
  }
}

/**
 * Puts a task that was loaded back into memory; the record itself, not a copy. One that is there already stays.
 * Restore in the order of the tasks' ends, oldest first: finished tasks are evicted in that order.
 *
 * Children are found again by their `parent_id` and by the `children` of the loaded record, as far as they are restored
 * before the next event is folded.
 */
export function restoreTask(state: State, task: Task): void {
  if (state.tasks.has(task.uuid)) return;
  const loaded = task.children;
  task.children = null;
  keepTask(state, task);
  if (task.name !== null) task.name = shareName(state, task.name);
  if (hasEnded(task)) noteReady(state, task);
  weigh(state, task);
  // To the `strict` reducer no field is told by `extra`, and a retried task is no child of its own.
  const isStrict = task.life !== null || task.stored_life !== null;
  if (!isStrict && hasMisfit(task, TASK_FIELDS)) state.indexes.misfits.add(task);
  const parentId = parentOf(state, task);
  if (parentId !== null && !(isStrict && parentId === task.uuid)) joinParent(state, task, parentId);
  takeChildren(state, task);
  for (const parent of state.indexes.expected.get(task.uuid) ?? []) readopt(state, parent, task);
  state.indexes.expected.delete(task.uuid);
  for (const uuid of loaded ?? []) {
    const child = state.tasks.get(uuid);
    if (child) readopt(state, task.uuid, child);
    else expectChild(state, task.uuid, uuid);
  }
}

/** Puts a worker that was loaded back into memory; the record itself, not a copy. One that is there already stays. */
export function restoreWorker(state: State, worker: Worker): void {
  if (state.workers.has(worker.hostname)) return;
  keepWorker(state, worker);
  if (hasMisfit(worker, WORKER_FIELDS)) state.indexes.misfits.add(worker);
}

/** Restoring has ended: what was not restored is not in memory. */
export function endRestore(state: State): void {
  if (state.indexes.expected.size > 0) state.indexes.expected.clear();
}

/**
 * The key of a record in memory for what an event names it by. That may be anything: texts are their own key, other
 * scalars get one that no sender uses, and lists and objects, which cannot be keys in Celery either, get none.
 */
export function keyOf(id: unknown): string | null {
  if (typeof id === 'string') return id;
  if (typeof id === 'object' && id !== null) return null;
  return `json:${typeof id === 'boolean' ? Number(id) : String(id)}`; // true is 1 to Python
}

/** The key of the parent that a task names at present; null when it names none, or what cannot be a key. */
export function parentOf(state: State, task: Task): string | null {
  if (task.parent_id !== null) return task.parent_id === '' ? null : task.parent_id;
  const id = misfitOf(state, task, 'parent_id');
  return id ? keyOf(id) : null;
}

/** What `extra` holds under the name of a field; undefined when the field is as it seems. */
export function misfitOf(state: State, record: Task | Worker, field: string): Json | undefined {
  const { misfits } = state.indexes;
  if (misfits.size === 0 || !misfits.has(record) || record.extra === null) return undefined;
  return Object.hasOwn(record.extra, field) ? record.extra[field] : undefined;
}

function keepTask(state: State, task: Task): Task {
  if (state.tasks.size >= state.limits.maxTasks) evictTask(state);
  state.tasks.add(task);
  return task;
}

function keepWorker(state: State, worker: Worker): Worker {
  const { workers } = state;
  if (workers.size >= state.limits.maxWorkers) {
    const [oldest] = workers.values();
    if (oldest) dropWorker(state, oldest);
  }
  workers.set(worker.hostname, worker);
  return worker;
}

/** Drops the task that ended first; where none has ended, all are active and the one that came first goes. */
function evictTask(state: State): void {
  const { indexes } = state;
  let task = indexes.ended.takeOldest();
  if (!task) {
    task = state.tasks.oldest();
    state.evicted_active++;
  }
  if (task) dropTask(state, task);
}

/** Drops a task from memory; the database has it, or whoever takes pictures for the database. */
function dropTask(state: State, task: Task): void {
  const { tasks, indexes } = state;
  tasks.delete(task.uuid);
  state.weights.delete(task);
  state.forgetful = true;
  const parentId = parentOf(state, task);
  if (parentId !== null) disown(state, parentId, task.uuid);
  if (indexes.formerParents.size > 0) {
    for (const former of indexes.formerParents.get(task.uuid) ?? []) disown(state, former, task.uuid);
    indexes.formerParents.delete(task.uuid);
  }
  if (indexes.misfits.size > 0) indexes.misfits.delete(task);
}

function disown(state: State, parentId: string, uuid: string): void {
  const parent = state.tasks.get(parentId);
  if (parent?.children) {
    parent.children.delete(uuid);
    if (parent.children.size === 0) parent.children = null;
  }
  const siblings = state.indexes.waiting.get(parentId);
  if (!siblings) return;
  siblings.delete(uuid);
  if (siblings.size === 0) state.indexes.waiting.delete(parentId);
}

function readopt(state: State, parentId: string, child: Task): void {
  if (!state.tasks.has(parentId)) return;
  joinParent(state, child, parentId);
  if (parentOf(state, child) !== parentId) leaveParent(state, child, parentId);
}

function expectChild(state: State, parentId: string, uuid: string): void {
  const { expected } = state.indexes;
  const parents = expected.get(uuid);
  if (parents) parents.push(parentId);
  else if (expected.size < state.limits.maxTasks) expected.set(uuid, [parentId]);
}

function hasMisfit(record: Task | Worker, fields: ReadonlySet<string>): boolean {
  for (const key in record.extra) if (fields.has(key)) return true;
  return false;
}
