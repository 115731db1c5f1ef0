/**
 * What really happened to one task: its events put in their true order and told as runs.
 *
 * ## The state machine
 *
 * A task has *runs*: its first attempt, each retry, each redelivery or re-run under the same uuid. A run belongs to one
 * worker process and is monotone:
 *
 *     (nothing) ──received──> RECEIVED ──started──> STARTED ──custom──> PROGRESS, … ──one end──> SUCCESS │ FAILURE │ RETRY
 *          └────────────started───────────────────────^  └─────────────────────────────────────> REVOKED │ REJECTED │ CANCELLED
 *
 * - `received` opens a run. `started` goes to the process's newest run that has not started; where there is none, its
 *   `received` was missed and it opens one.
 * - An end goes to the process's latest run that has started and not ended: so `task-retried` ends the attempt that failed,
 *   although the next attempt's `task-received` comes first (`runningOf`). A revocation that terminated nothing goes to a run that has
 *   not started. Where no run is open, the table `AFTER_END` says whether the end is told twice or belongs to a run
 *   of which nothing else was heard.
 * - A custom event (`task-progress`) colours the run that is executing on its host; it opens none and ends none.
 * - The task's state is its latest run's. With no run it is PENDING.
 *
 * ## Why order does not matter
 *
 * Nothing is decided on arrival. The events are kept as *facts*, without repeats, sorted as `inOrder` says; the runs
 * are the left fold of that sequence. So the record is a function of the *set* of events: any order, any number of
 * times. An event that sorts last, as nearly all do, is folded in place; one that comes late folds the task anew.
 */
import type { Json, Seconds } from './event.ts';

/** The process that sent an event: a worker's main process, a pool child, or a client. */
export interface Process {
  readonly hostname: string;
  readonly pid: number | null;
  /** What tells processes apart; events without a clock are a sequence of their own. */
  readonly key: string;
}

/** What an event says beside who sent it and when, in Celery's names. A field that it does not have, or null, is absent. */
export interface Said {
  readonly name?: string;
  readonly args?: string;
  readonly kwargs?: string;
  readonly eta?: string;
  readonly expires?: string;
  readonly retries?: number;
  readonly root_id?: string;
  readonly parent_id?: string;
  readonly exchange?: string;
  readonly routing_key?: string;
  readonly result?: string;
  readonly runtime?: Seconds;
  readonly exception?: string;
  readonly traceback?: string;
  /** Every other field. */
  readonly extra: Readonly<Record<string, Json>> | null;
}

/** One event of a task, as the fold keeps it. */
export interface Fact {
  /** The type without `task-`. */
  readonly subject: string;
  readonly process: Process;
  /** The sender's Lamport clock; 0 where it gave none. It orders the events of one process and nothing else. */
  readonly clock: number;
  /** The sender's time: UTC already, whatever `utcoffset` says. */
  readonly timestamp: Seconds;
  /** When this monitor received it first. */
  arrived: Seconds;
  /** The latest `timestamp` that its process had reached by then: a clock set back reorders nothing. */
  reached: Seconds;
  readonly said: Said | null;
}

/** One run, told by its facts. */
export interface Attempt {
  readonly process: Process | null;
  received: Fact | null;
  started: Fact | null;
  /** The latest custom event while it was executing. */
  custom: Fact | null;
  end: Fact | null;
}

/** The life of one task. */
export interface Life {
  /** In true order, each once. */
  facts: Fact[];
  /** In the order in which they began; never empty holes. */
  attempts: Attempt[];
  /** The latest `task-sent`. */
  sent: Fact | null;
  /** How many earlier runs are no longer kept, so that a task retried for ever stays small. */
  dropped: number;
  /** Facts up to this time belong to runs that are no longer kept. */
  floor: Seconds;
}

/** What an event did, for whoever asks why. */
export type Effect =
  | { readonly kind: 'opens' | 'starts' | 'ends' | 'colours' | 'replaces-end'; readonly attempt: Attempt }
  | { readonly kind: 'sent' | 'same' | 'told-twice' | 'after-end' | 'too-old' };

/** Facts of one task that are kept. A run has three to five. */
const MAX_FACTS = 100;

const SAME: Effect = { kind: 'same' };
const SENT: Effect = { kind: 'sent' };
const TOLD_TWICE: Effect = { kind: 'told-twice' };
const AFTER_END: Effect = { kind: 'after-end' };
const TOO_OLD: Effect = { kind: 'too-old' };

/** What ends a run. Every other unknown subject is custom. */
const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'retried', 'revoked', 'rejected', 'cancelled']);

/** Of facts of different processes that tell the same time, the earlier stage of life comes first. */
function stage(subject: string): number {
  if (subject === 'sent') return 0;
  if (subject === 'received') return 1;
  if (subject === 'started') return 2;
  return ENDS.has(subject) ? 4 : 3;
}

export function createLife(): Life {
  return { facts: [], attempts: [], sent: null, dropped: 0, floor: Number.NEGATIVE_INFINITY };
}

/** Adds a fact and folds: in place when it is the last in the true order, else the whole life anew. */
export function live(life: Life, fact: Fact): Effect {
  const { facts } = life;
  if (fact.timestamp <= life.floor) return TOO_OLD;
  let latest: Fact | null = null; // of the same process
  for (let i = facts.length - 1; i >= 0; i--) {
    const other = facts[i] as Fact;
    if (other.process.key !== fact.process.key) continue;
    if (isSame(other, fact)) {
      if (fact.arrived < other.arrived) other.arrived = fact.arrived;
      return SAME;
    }
    latest ??= other;
  }
  if (!isKnown(fact.subject)) {
    // Of a process's custom events only the last is kept: it alone is shown, and progress may be told without end.
    const older = facts.findIndex((other) => other.process.key === fact.process.key && !isKnown(other.subject));
    if (older >= 0) {
      if (follows(facts[older] as Fact, fact)) return TOLD_TWICE;
      facts.splice(older, 1);
      facts.push(fact);
      return foldFacts(life, fact);
    }
  }
  fact.reached = latest ? Math.max(latest.reached, fact.timestamp) : fact.timestamp;
  const last = facts.at(-1);
  const isLast =
    (latest === null || follows(fact, latest)) &&
    (!last || fact.reached > last.reached || (fact.reached === last.reached && last === latest));
  facts.push(fact);
  if (facts.length > MAX_FACTS) forget(life);
  return isLast ? step(life, fact) : foldFacts(life, fact);
}

function isSame(a: Fact, b: Fact): boolean {
  return a.clock === b.clock && a.timestamp === b.timestamp && a.subject === b.subject;
}

/** Of Celery's own; every other subject is custom, and anybody may send it. */
export function isKnown(subject: string): boolean {
  return subject === 'sent' || subject === 'received' || subject === 'started' || ENDS.has(subject);
}

/** True when `a` comes after `b`, both of one process. */
function follows(a: Fact, b: Fact): boolean {
  return (
    (a.clock - b.clock ||
      a.timestamp - b.timestamp ||
      stage(a.subject) - stage(b.subject) ||
      (a.subject > b.subject ? 1 : -1)) > 0
  );
}

/**
 * The true order: the events of one process by its clock; the processes merged by the time that each had reached.
 * It depends on the set of facts alone.
 */
function inOrder(facts: readonly Fact[]): Fact[] {
  const byProcess = new Map<string, Fact[]>();
  for (const fact of facts) {
    const sequence = byProcess.get(fact.process.key);
    if (sequence) sequence.push(fact);
    else byProcess.set(fact.process.key, [fact]);
  }
  const sequences = [...byProcess.values()];
  for (const sequence of sequences) {
    sequence.sort((a, b) => (follows(a, b) ? 1 : -1));
    let reached = Number.NEGATIVE_INFINITY;
    for (const fact of sequence) {
      reached = Math.max(reached, fact.timestamp);
      fact.reached = reached;
    }
    sequence.reverse(); // the next one is at the end, where taking it is cheap
  }
  const merged: Fact[] = [];
  while (merged.length < facts.length) {
    let next: Fact[] | null = null;
    for (const sequence of sequences) {
      if (sequence.length > 0 && (next === null || isEarlier(sequence.at(-1) as Fact, next.at(-1) as Fact)))
        next = sequence;
    }
    merged.push(next?.pop() as Fact);
  }
  return merged;
}

function isEarlier(a: Fact, b: Fact): boolean {
  const order = a.reached - b.reached || stage(a.subject) - stage(b.subject);
  return order < 0 || (order === 0 && a.process.key < b.process.key);
}

/** Folds a life's facts anew, in whatever order they are. Returns what `fact` did. */
export function foldFacts(life: Life, fact?: Fact): Effect {
  life.facts = inOrder(life.facts);
  life.attempts = [];
  life.sent = null;
  let effect: Effect = TOO_OLD;
  for (const each of life.facts) {
    const did = step(life, each);
    if (each === fact) effect = did;
  }
  return effect;
}

/** Folds the next fact of the true order. */
function step(life: Life, fact: Fact): Effect {
  if (fact.subject === 'sent') {
    life.sent = fact;
    return SENT;
  }
  if (fact.subject === 'received')
    return open(life, { process: fact.process, received: fact, started: null, custom: null, end: null });
  if (fact.subject === 'started') return start(life, fact);
  return ENDS.has(fact.subject) ? end(life, fact) : colour(life, fact);
}

function open(life: Life, attempt: Attempt): Effect {
  life.attempts.push(attempt);
  return { kind: 'opens', attempt };
}

function start(life: Life, fact: Fact): Effect {
  const attempt = life.attempts.findLast((a) => isOf(a, fact) && !a.started && !a.end);
  if (!attempt) return open(life, { process: fact.process, received: null, started: fact, custom: null, end: null });
  attempt.started = fact;
  return { kind: 'starts', attempt };
}

function end(life: Life, fact: Fact): Effect {
  const running = runningOf(life, fact);
  const waiting = life.attempts.findLast((a) => isOf(a, fact) && !a.started && !a.end);
  const attempt =
    fact.subject === 'revoked' && fact.said?.extra?.terminated !== true ? (waiting ?? running) : (running ?? waiting);
  if (attempt) {
    attempt.end = fact;
    return { kind: 'ends', attempt };
  }
  const ended = life.attempts.findLast((a) => isOf(a, fact));
  const before = ended?.end?.subject;
  if (!ended || before === undefined || impliesRun(before, fact.subject)) {
    return open(life, { process: fact.process, received: null, started: null, custom: null, end: fact });
  }
  if (before === fact.subject) return TOLD_TWICE;
  // Celery's development head tells a Reject as a failure first.
  if (before === 'failed' && fact.subject === 'rejected') {
    ended.end = fact;
    return { kind: 'replaces-end', attempt: ended };
  }
  return AFTER_END;
}

/**
 * The run that an end is the end of. Where several of the process are running it is the latest: one before it was
 * replaced or ignored, of which Celery tells no end. But the next attempt may start before `task-retried` tells of this one.
 */
function runningOf({ attempts }: Life, fact: Fact): Attempt | undefined {
  const isRunning = (a: Attempt): boolean => isOf(a, fact) && a.started !== null && a.end === null;
  const retriedBy = (a: Attempt): boolean => {
    const next = (a.received?.said?.retries ?? Number.NaN) + 1;
    return attempts.some(({ received }) => received?.said?.retries === next);
  };
  const retried = fact.subject === 'retried' ? attempts.findLast((a) => isRunning(a) && retriedBy(a)) : undefined;
  return retried ?? attempts.findLast(isRunning);
}

/**
 * Whether an end that finds no open run belongs to another run, of which nothing else was heard. After an attempt that
 * goes on elsewhere it must; a success after a failure must, too. Else the process tells more of the same end: the
 * failure `SystemExit(-241)` after a terminating revocation, the success of a task whose revocation came too late.
 */
function impliesRun(before: string, after: string): boolean {
  if (before === 'retried' || before === 'rejected' || before === 'cancelled') return before !== after;
  return before === 'failed' && after === 'succeeded';
}

function colour(life: Life, fact: Fact): Effect {
  const here = (a: Attempt): boolean => a.process?.hostname === fact.process.hostname;
  const attempt =
    life.attempts.findLast((a) => here(a) && a.started && !a.end) ??
    life.attempts.findLast(here) ??
    life.attempts.at(-1);
  if (!attempt) return open(life, { process: null, received: null, started: null, custom: fact, end: null });
  if (attempt.end) return AFTER_END;
  attempt.custom = fact;
  return { kind: 'colours', attempt };
}

function isOf(attempt: Attempt, fact: Fact): boolean {
  return attempt.process?.key === fact.process.key;
}

/** Makes room: drops the oldest run with its facts and counts it; where there is but one, its oldest lesser facts. */
function forget(life: Life): void {
  const oldest = life.attempts[0];
  if (oldest && life.attempts.length > 1) {
    const gone = new Set([oldest.received, oldest.started, oldest.custom, oldest.end]);
    life.floor = Math.max(life.floor, ...[...gone].map((fact) => fact?.timestamp ?? life.floor));
    life.facts = life.facts.filter(
      (fact) => !gone.has(fact) && (fact.subject !== 'sent' || fact.timestamp > life.floor),
    );
    life.attempts.shift();
    life.dropped++;
  }
}
