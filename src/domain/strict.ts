/**
 * The `strict` reducer: what really happened. It turns each event of a task into a fact, lets `life.ts` put the facts in
 * their true order, and shows the latest run on the task's record.
 */
import type { Event, Json, Seconds } from './event.ts';
import type { Call, Fact } from './fact.ts';
import { createFacts } from './facts.ts';
import { type Attempt, createLife, type Life, live } from './life.ts';
import { addTask, joinParent, leaveParent, noteReady, type State, shareName, takeChildren } from './memory.ts';
import type { Change, Reducer } from './reducer.ts';
import { FAILURE, PENDING, RECEIVED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS } from './states.ts';
import { foldStrictWorker, noteSignOfLife } from './strict-worker.ts';
import { hasEnded, lifeOf, type Task } from './task.ts';

/** The state that an end leaves behind. */
const END_STATES: ReadonlyMap<string, string> = new Map([
  ['succeeded', SUCCESS],
  ['failed', FAILURE],
  ['retried', RETRY],
  ['revoked', REVOKED],
  ['rejected', REJECTED],
  ['cancelled', 'CANCELLED'],
]);

export function createStrict(): Reducer {
  const toFact = createFacts();

  function foldTask(state: State, event: Event, local_received: Seconds): Change {
    const { uuid } = event;
    if (typeof uuid !== 'string') return null;
    const known = state.tasks.get(uuid);
    const fact = toFact(event, local_received, state.indexes.texts, known && { uuid: known.uuid, call: callOf(known) });
    if (fact === null) return null;
    const task = known ?? addTask(state, uuid);
    const life = lifeOf(task) ?? beginLife(task);
    const latest = latestOf(life);
    const effect = live(life, fact);
    if (effect === 'same' || effect === 'too-old') return null;
    state.event_count++;
    if (fact.subject === 'received') state.task_count++;
    noteSignOfLife(state, fact);
    const name = fact.call?.name;
    if (name !== undefined && name !== task.name) shareName(state, name);
    // A life that was folded anew has other runs than before.
    if (latest === null || latest !== latestOf(life) || !showStep(state, task, latest, fact)) show(state, task, life);
    joinParentOf(state, task, fact);
    takeChildren(state, task);
    return task;
  }

  return {
    fold(state, event, local_received) {
      if (event.type.startsWith('task-')) return foldTask(state, event, local_received);
      if (event.type.startsWith('worker-')) return foldStrictWorker(state, event, local_received);
      state.event_count++;
      return null;
    },
  };
}

/** What is known to have been called: clients and workers tell the same. */
function callOf(task: Task): Call | null {
  const life = lifeOf(task);
  return life && (life.sent?.call ?? latestOf(life)?.received?.call ?? null);
}

function beginLife(task: Task): Life {
  const life = createLife();
  task.life = life;
  return life;
}

/**
 * Shows a start or an end that came in true order, as nearly all do: it changes little of a record that shows all else
 * already. False where there may be more to show.
 */
function showStep(state: State, task: Task, attempt: Attempt, fact: Fact): boolean {
  if (fact.said?.extra || !attempt.received) return false;
  if (attempt.started === fact) {
    if (attempt.custom || attempt.end) return false;
    task.started = fact.timestamp;
  } else if (attempt.end === fact && attempt.more === null) {
    showEnd(task, fact);
  } else return false;
  const hadEnded = hasEnded(task);
  task.state = stateOfAttempt(attempt);
  task.timestamp = fact.timestamp;
  task.clock = fact.clock;
  if (hasEnded(task) !== hadEnded) noteReady(state, task);
  return true;
}

function latestOf({ attempts }: Life): Attempt | null {
  return attempts.length > 0 ? (attempts[attempts.length - 1] as Attempt) : null;
}

/** Puts the latest run on the record. */
function show(state: State, task: Task, life: Life): void {
  const parentBefore = task.parent_id;
  const hadEnded = hasEnded(task);
  const attempt = latestOf(life);
  const { sent } = life;
  showCall(task, attempt?.received ?? lastReceived(life), sent);
  const end = attempt?.end ?? null;
  const latest = end ?? attempt?.custom ?? attempt?.started ?? attempt?.received ?? sent;
  task.state = attempt ? stateOfAttempt(attempt) : PENDING;
  task.timestamp = latest?.timestamp ?? null;
  task.clock = latest?.clock ?? 0;
  task.client = sent?.process.hostname ?? null;
  task.worker = attempt ? ((attempt.process ?? latest?.process)?.hostname ?? null) : null;
  task.sent = sent?.timestamp ?? null;
  task.received = attempt?.received?.timestamp ?? null;
  task.started = attempt?.started?.timestamp ?? null;
  showEnd(task, end);
  task.extra = extraOf(sent, attempt);
  if (hasEnded(task) !== hadEnded) noteReady(state, task);
  // It stays a child of whoever called it first.
  if (parentBefore !== null && parentBefore !== task.parent_id && parentBefore !== task.uuid)
    leaveParent(state, task, parentBefore);
}

/** How the latest run ended; null while it has not. */
function showEnd(task: Task, end: Fact | null): void {
  task.succeeded = timeOf(end, 'succeeded');
  task.failed = timeOf(end, 'failed');
  task.retried = timeOf(end, 'retried');
  task.revoked = timeOf(end, 'revoked');
  task.rejected = timeOf(end, 'rejected');
  const said = end?.said;
  task.result = said?.result ?? null;
  task.runtime = said?.runtime ?? null;
  task.exception = said?.exception ?? null;
  task.traceback = said?.traceback ?? null;
}

/** Whichever order its events come in, a task is a child of each other task that they name; a retried one names itself. */
function joinParentOf(state: State, task: Task, { call }: Fact): void {
  const parent = call?.parent_id;
  if (parent === undefined || parent === '' || parent === task.uuid) return;
  joinParent(state, task, parent);
  if (task.parent_id !== parent) leaveParent(state, task, parent);
}

/** What was called: as its worker received it, else as its client sent it. */
function showCall(task: Task, receivedBy: Fact | null, sentBy: Fact | null): void {
  const [received, sent] = [receivedBy?.call, sentBy?.call];
  task.name = received?.name ?? sent?.name ?? null;
  task.args = received?.args ?? sent?.args ?? null;
  task.kwargs = received?.kwargs ?? sent?.kwargs ?? null;
  task.eta = received?.eta ?? sent?.eta ?? null;
  task.expires = received?.expires ?? sent?.expires ?? null;
  task.retries = received?.retries ?? sent?.retries ?? null;
  task.root_id = received?.root_id ?? sent?.root_id ?? null;
  task.parent_id = received?.parent_id ?? sent?.parent_id ?? null;
  task.exchange = sentBy?.said?.exchange ?? receivedBy?.said?.exchange ?? null;
  task.routing_key = sentBy?.said?.routing_key ?? receivedBy?.said?.routing_key ?? null;
}

function lastReceived({ attempts }: Life): Fact | null {
  return attempts.findLast(({ received }) => received !== null)?.received ?? null;
}

export function stateOfAttempt({ end, custom, started, received }: Attempt): string {
  if (end) return END_STATES.get(end.subject) ?? FAILURE;
  if (custom) return custom.subject.toUpperCase();
  if (started) return STARTED;
  return received ? RECEIVED : PENDING;
}

function timeOf(end: Fact | null, subject: string): Seconds | null {
  return end?.subject === subject ? end.timestamp : null;
}

function extraOf(sent: Fact | null, attempt: Attempt | null): Record<string, Json> | null {
  let extra: Readonly<Record<string, Json>> | null = null;
  for (const fact of [sent, attempt?.received, attempt?.started, attempt?.custom, attempt?.end]) {
    const more = fact?.said?.extra;
    if (!more) continue;
    extra = extra === null ? more : Object.assign({}, extra, more);
  }
  return extra;
}
