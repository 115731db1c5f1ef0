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
 *   not started. Where no run is open, `impliesRun` says whether the end is told twice or belongs to a run
 *   of which nothing else was heard.
 * - A custom event (`task-progress`) colours the run that is executing on its host; it opens none and ends none.
 * - The task's state is its latest run's. With no run it is PENDING.
 *
 * ## Why order does not matter
 *
 * Nothing is decided on arrival. The events are kept as *facts*, without repeats, sorted as `inOrder` says; the runs
 * are the left fold of that sequence. So the record is a function of the *set* of events: any order, any number of
 * times. An event that sorts last, as nearly all do, is folded in place; one that comes late folds the task anew.
 *
 * So a task never goes back: once a run has ended it stays so. What comes late may show no more than that the run ended
 * earlier and otherwise, or, where even the events of one process come in disorder, that it began earlier than another.
 *
 * Two things are forgotten, so that a life stays small: of each process's custom events all but the last, and of a life
 * of more than `MAX_FACTS` the oldest runs. What comes too late to be told from a repeat of those is refused, `too-old`.
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
  readonly name?: string | undefined;
  readonly args?: string | undefined;
  readonly kwargs?: string | undefined;
  readonly eta?: string | undefined;
  readonly expires?: string | undefined;
  readonly retries?: number | undefined;
  readonly root_id?: string | undefined;
  readonly parent_id?: string | undefined;
  readonly exchange?: string | undefined;
  readonly routing_key?: string | undefined;
  readonly result?: string | undefined;
  readonly runtime?: Seconds | undefined;
  readonly exception?: string | undefined;
  readonly traceback?: string | undefined;
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
  /** What else was told of it and changes nothing: other custom events, another end, whatever came after the end. */
  more: Fact[] | null;
}

/** The life of one task. Each of its facts is a `task-sent` or told of one attempt. */
export interface Life {
  /** In true order, each once. */
  facts: Fact[];
  /** In the order in which they began. */
  attempts: Attempt[];
  /** The latest `task-sent`. */
  sent: Fact | null;
  /** How many earlier runs are no longer kept, so that a task retried for ever stays small. */
  dropped: number;
  /** Facts up to this time are no longer taken: they may belong to what is no longer kept. */
  floor: Seconds;
}

/**
 * What an event did. `opens`, `starts`, `colours`, `ends`: a run. `replaces-end`: of a run, by what really ended it.
 * `sent`: told of the call alone. `told-twice`: the same end as the run's own. `after-end`: another one, or anything
 * else of a run that had ended. `same`: a repeat. `too-old`: refused.
 */
export type Effect =
  | ('sent' | 'opens' | 'starts' | 'colours' | 'ends' | 'replaces-end')
  | ('told-twice' | 'after-end' | 'same' | 'too-old');

/** Facts of one task that are kept. A run has three to five. */
const MAX_FACTS = 100;

/** Where the clock of what seems to be one process falls and this much time has passed, another one has its pid. */
const RESTART: Seconds = 1;

/** What ends a run. Every other unknown subject is custom. */
const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'retried', 'revoked', 'rejected', 'cancelled']);

/** Celery's own. */
export const KNOWN_SUBJECTS: ReadonlySet<string> = new Set(['sent', 'received', 'started', ...ENDS]);

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
  if (fact.timestamp <= life.floor) return 'too-old';
  const { key } = fact.process;
  let isLast = true; // in the order of its process and of time: what is not certain is sorted
  for (let i = facts.length - 1; i >= 0; i--) {
    const other = facts[i] as Fact;
    if (other.process.key !== key) {
      if (fact.timestamp <= other.timestamp) isLast = false;
      continue;
    }
    if (isSame(other, fact)) {
      if (fact.arrived < other.arrived) {
        other.arrived = fact.arrived;
        foldFacts(life);
      }
      return 'same';
    }
    if (fact.timestamp < other.timestamp || !follows(fact, other)) isLast = false;
  }
  if (!isKnown(fact.subject)) {
    const older = facts.findIndex((other) => other.process.key === key && !isKnown(other.subject));
    if (older >= 0) {
      if (follows(facts[older] as Fact, fact)) return 'too-old';
      facts.splice(older, 1);
      facts.push(fact);
      return foldFacts(life, fact);
    }
  }
  life.facts = facts.concat([fact]); // no larger than needed, as `push` would make it
  const effect = isLast ? step(life, fact) : foldFacts(life, fact);
  if (life.facts.length > MAX_FACTS) forget(life);
  return effect;
}

/** True of a repeat: an event has no id, but a process gives each its clock and time. Both of one process. */
export function isSame(a: Fact, b: Fact): boolean {
  return a.clock === b.clock && a.timestamp === b.timestamp && a.subject === b.subject;
}

/** Of Celery's own; every other subject is custom, and anybody may send it. */
export function isKnown(subject: string): boolean {
  return KNOWN_SUBJECTS.has(subject);
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
  const sequences = [...byProcess.values()].map(inOrderOfProcess);
  const merged: Fact[] = [];
  while (merged.length < facts.length) {
    let next: Placed[] | null = null;
    for (const sequence of sequences) {
      if (sequence.length > 0 && (next === null || isEarlier(sequence.at(-1) as Placed, next.at(-1) as Placed)))
        next = sequence;
    }
    if (next) merged.push((next.pop() as Placed).fact);
  }
  return merged;
}

/** A fact with the latest `timestamp` that its process had reached by then: a clock set back reorders nothing. */
interface Placed {
  readonly fact: Fact;
  readonly reached: Seconds;
}

/**
 * By the clock, whatever the wall clock says: that may be set back. But in containers the next process often has the same
 * pid, and its clock begins anew: where the clock falls as time goes by, and the events arrived in that order, too, it is
 * another process, and the order of time. Gives the latest first: the next one is at the end, where taking it is cheap.
 */
function inOrderOfProcess(facts: Fact[]): Placed[] {
  const processes: Fact[][] = [];
  let highest: Fact | null = null;
  let before: Fact | null = null;
  for (const fact of facts.sort((a, b) => a.timestamp - b.timestamp || (follows(a, b) ? 1 : -1))) {
    const isAnother =
      highest !== null &&
      before !== null &&
      fact.clock < highest.clock &&
      fact.timestamp > before.timestamp + RESTART &&
      fact.arrived > highest.arrived;
    if (isAnother || processes.length === 0) processes.push([]);
    processes.at(-1)?.push(fact);
    if (isAnother || highest === null || fact.clock > highest.clock) highest = fact;
    before = fact;
  }
  let reached = Number.NEGATIVE_INFINITY;
  const placed = processes
    .flatMap((each) => each.sort((a, b) => (follows(a, b) ? 1 : -1)))
    .map((fact): Placed => {
      reached = Math.max(reached, fact.timestamp);
      return { fact, reached };
    });
  return placed.reverse();
}

function isEarlier(a: Placed, b: Placed): boolean {
  const order = a.reached - b.reached || stage(a.fact.subject) - stage(b.fact.subject);
  return order < 0 || (order === 0 && a.fact.process.key < b.fact.process.key);
}

/** Folds a life's facts anew, in whatever order they are. Returns what `fact` did. */
export function foldFacts(life: Life, fact?: Fact): Effect {
  const ordered = inOrder(life.facts);
  life.facts = ordered;
  life.attempts = [];
  life.sent = null;
  let effect: Effect = 'too-old';
  for (const each of ordered) {
    const did = step(life, each);
    if (each === fact) effect = did;
  }
  return effect;
}

/** Folds the next fact of the true order. */
function step(life: Life, fact: Fact): Effect {
  switch (fact.subject) {
    case 'sent':
      life.sent = fact;
      return 'sent';
    case 'received':
      open(life, fact.process).received = fact;
      return 'opens';
    case 'started':
      return start(life, fact);
    default:
      return ENDS.has(fact.subject) ? end(life, fact) : colour(life, fact);
  }
}

function open(life: Life, process: Process | null): Attempt {
  const attempt = { process, received: null, started: null, custom: null, end: null, more: null };
  life.attempts = life.attempts.concat([attempt]);
  return attempt;
}

function start(life: Life, fact: Fact): Effect {
  const attempt = life.attempts.findLast((a) => isOf(a, fact) && isWaiting(a));
  (attempt ?? open(life, fact.process)).started = fact;
  return attempt ? 'starts' : 'opens';
}

function end(life: Life, fact: Fact): Effect {
  const running = runningOf(life, fact);
  const waiting = life.attempts.findLast((a) => isOf(a, fact) && isWaiting(a));
  const attempt =
    fact.subject === 'revoked' && fact.said?.extra?.terminated !== true ? (waiting ?? running) : (running ?? waiting);
  if (attempt) {
    attempt.end = fact;
    return 'ends';
  }
  const ended = life.attempts.findLast((a) => isOf(a, fact));
  const before = ended?.end?.subject;
  if (!ended?.end || before === undefined || impliesRun(before, fact.subject)) {
    open(life, fact.process).end = fact;
    return 'opens';
  }
  // Celery's development head tells a Reject as a failure first.
  if (before === 'failed' && fact.subject === 'rejected') {
    tellMore(ended, ended.end);
    ended.end = fact;
    return 'replaces-end';
  }
  tellMore(ended, fact);
  return before === fact.subject ? 'told-twice' : 'after-end';
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
  if (attempt?.end) {
    tellMore(attempt, fact);
    return 'after-end';
  }
  const coloured = attempt ?? open(life, null);
  if (coloured.custom) tellMore(coloured, coloured.custom);
  coloured.custom = fact;
  return attempt ? 'colours' : 'opens';
}

function tellMore(attempt: Attempt, fact: Fact): void {
  attempt.more ??= [];
  attempt.more.push(fact);
}

function isOf(attempt: Attempt, fact: Fact): boolean {
  return attempt.process?.key === fact.process.key;
}

/** Neither started nor ended. */
function isWaiting({ started, end }: Attempt): boolean {
  return started === null && end === null;
}

/** The facts that told of a run. */
export function factsOf({ received, started, custom, end, more }: Attempt): Fact[] {
  const own = [received, started, custom, end].filter((fact) => fact !== null);
  return more ? [...own, ...more] : own;
}

/** Makes room: drops the oldest run, counted, with its facts; where there is but one, the oldest that changes nothing. */
function forget(life: Life): void {
  const { attempts, sent } = life;
  const oldest = attempts[0];
  let gone: readonly Fact[] = [];
  if (oldest && attempts.length > 1) {
    gone = factsOf(oldest);
    attempts.shift();
    life.dropped++;
  } else {
    const first = life.facts.find((fact) => (fact.subject === 'sent' ? fact !== sent : oldest?.more?.includes(fact)));
    if (!first) return;
    gone = [first];
    if (oldest?.more) oldest.more = oldest.more.filter((fact) => fact !== first);
  }
  for (const { timestamp } of gone) if (timestamp > life.floor) life.floor = timestamp;
  const { floor } = life;
  life.facts = life.facts.filter(
    (fact) => !gone.includes(fact) && (fact.subject !== 'sent' || fact === sent || fact.timestamp > floor),
  );
}
