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
import type { Seconds } from './event.ts';
import { type Fact, isKnown, isSame, type Process } from './fact.ts';
import { follows, inOrder } from './true-order.ts';

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
  /** In the order in which they began. */
  attempts: readonly Attempt[];
  /** The latest `task-sent`, … */
  sent: Fact | null;
  /** … and those before it, in true order. */
  sentBefore: Fact[] | null;
  /** How many facts there are. */
  size: number;
  /** How many earlier runs are no longer kept, so that a task retried for ever stays small. */
  dropped: number;
  /** Facts up to this time are no longer taken: they may belong to what is no longer kept. Null while all are kept. */
  floor: Seconds | null;
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

const NONE: readonly Attempt[] = [];

export function createLife(): Life {
  return { attempts: NONE, sent: null, sentBefore: null, size: 0, dropped: 0, floor: null };
}

/** The life as it is now. Facts never change. */
export function copyLife(life: Life): Life {
  const attempts = life.attempts.map((attempt) => ({ ...attempt, more: attempt.more && [...attempt.more] }));
  return { ...life, attempts };
}

/** Adds a fact and folds: in place when it is the last in the true order, else the whole life anew. */
export function live(life: Life, fact: Fact): Effect {
  if (life.floor !== null && fact.timestamp <= life.floor) return 'too-old';
  const isLast = isLatest(life, fact);
  if (!isLast && isRepeat(life, fact)) return 'same';
  if (!isKnown(fact.subject)) {
    const facts = factsOf(life);
    const older = facts.find(({ process, subject }) => process.key === fact.process.key && !isKnown(subject));
    if (older) {
      if (follows(older, fact)) return 'too-old';
      return foldFacts(life, [...facts.filter((each) => each !== older), fact], fact);
    }
  }
  const effect = isLast ? step(life, fact) : foldFacts(life, [...factsOf(life), fact], fact);
  if (life.size > MAX_FACTS) forget(life);
  return effect;
}

/**
 * True when a fact is surely the last in the true order: after all others of its process, and after all of other processes
 * in time. Looks at them where they are: a list of them would cost more than all else.
 */
function isLatest({ sent, sentBefore, attempts }: Life, fact: Fact): boolean {
  if (sent !== null && !isBefore(sent, fact)) return false;
  for (let i = attempts.length - 1; i >= 0; i--) {
    const { end, custom, started, received, more } = attempts[i] as Attempt;
    if (end !== null && !isBefore(end, fact)) return false;
    if (custom !== null && !isBefore(custom, fact)) return false;
    if (started !== null && !isBefore(started, fact)) return false;
    if (received !== null && !isBefore(received, fact)) return false;
    if (more !== null && !more.every((other) => isBefore(other, fact))) return false;
  }
  return sentBefore === null || sentBefore.every((other) => isBefore(other, fact));
}

/** True when `other` surely comes before a fact in the true order. */
function isBefore(other: Fact, fact: Fact): boolean {
  if (other.process !== fact.process && other.process.key !== fact.process.key) return other.timestamp < fact.timestamp;
  return other.timestamp <= fact.timestamp && follows(fact, other);
}

/** True when a fact is kept already. What counts is when it arrived first. */
function isRepeat(life: Life, fact: Fact): boolean {
  const facts = factsOf(life);
  const place = facts.findIndex((other) => other.process.key === fact.process.key && isSame(other, fact));
  const kept = facts[place];
  if (kept === undefined) return false;
  if (fact.arrived < kept.arrived) {
    facts[place] = { ...kept, arrived: fact.arrived };
    foldFacts(life, facts);
  }
  return true;
}

/** Makes a life of these facts, in whatever order they are. Returns what `fact` did. */
export function foldFacts(life: Life, facts: readonly Fact[], fact?: Fact): Effect {
  life.attempts = NONE;
  life.sent = null;
  life.sentBefore = null;
  life.size = 0;
  let effect: Effect = 'too-old';
  for (const each of inOrder(facts)) {
    const did = step(life, each);
    if (each === fact) effect = did;
  }
  return effect;
}

/** Folds the next fact of the true order. */
function step(life: Life, fact: Fact): Effect {
  life.size++;
  switch (fact.subject) {
    case 'sent':
      if (life.sent !== null) life.sentBefore = [...(life.sentBefore ?? []), life.sent];
      life.sent = fact;
      return 'sent';
    case 'received':
      open(life, fact.process).received = fact;
      return 'opens';
    case 'started':
      return start(life, fact);
    default:
      return isKnown(fact.subject) ? end(life, fact) : colour(life, fact);
  }
}

function open(life: Life, process: Process | null): Attempt {
  const attempt = { process, received: null, started: null, custom: null, end: null, more: null };
  life.attempts = life.attempts.length === 0 ? [attempt] : [...life.attempts, attempt];
  return attempt;
}

function start(life: Life, fact: Fact): Effect {
  const attempt = latestOf(life, fact, isWaiting);
  (attempt ?? open(life, fact.process)).started = fact;
  return attempt ? 'starts' : 'opens';
}

function end(life: Life, fact: Fact): Effect {
  const running = runningOf(life, fact);
  const waiting = latestOf(life, fact, isWaiting);
  const attempt =
    fact.subject === 'revoked' && fact.said?.extra?.terminated !== true ? (waiting ?? running) : (running ?? waiting);
  if (attempt) {
    attempt.end = fact;
    return 'ends';
  }
  const ended = latestOf(life, fact, () => true);
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
function runningOf(life: Life, fact: Fact): Attempt | undefined {
  const retried =
    fact.subject === 'retried' ? latestOf(life, fact, (a) => isRunning(a) && isRetried(life, a)) : undefined;
  return retried ?? latestOf(life, fact, isRunning);
}

/** The attempt after this one was received. */
function isRetried({ attempts }: Life, { received }: Attempt): boolean {
  const next = (received?.call?.retries ?? Number.NaN) + 1;
  return attempts.some((attempt) => attempt.received?.call?.retries === next);
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

/** The latest run of the process that tells a fact, among those that are such. */
function latestOf({ attempts }: Life, { process }: Fact, isSuch: (attempt: Attempt) => boolean): Attempt | undefined {
  for (let i = attempts.length - 1; i >= 0; i--) {
    const attempt = attempts[i] as Attempt;
    if (attempt.process?.key === process.key && isSuch(attempt)) return attempt;
  }
  return undefined;
}

function isRunning({ started, end }: Attempt): boolean {
  return started !== null && end === null;
}

/** Neither started nor ended. */
function isWaiting({ started, end }: Attempt): boolean {
  return started === null && end === null;
}

/** All facts of a life: those of the call, then those of each run. */
export function factsOf({ sent, sentBefore, attempts }: Life): Fact[] {
  return [...(sentBefore ?? []), ...(sent ? [sent] : []), ...attempts.flatMap(factsOfRun)];
}

/** The facts that told of a run. */
export function factsOfRun({ received, started, custom, end, more }: Attempt): Fact[] {
  const own = [received, started, custom, end].filter((fact) => fact !== null);
  return more ? [...own, ...more] : own;
}

/** Makes room: drops the oldest run, counted, with its facts; where there is but one, the oldest that changes nothing. */
function forget(life: Life): void {
  const { attempts, sentBefore } = life;
  const oldest = attempts[0];
  let gone: readonly Fact[] = [];
  if (oldest && attempts.length > 1) {
    gone = factsOfRun(oldest);
    life.attempts = attempts.slice(1);
    life.dropped++;
  } else {
    const [first] = inOrder([...(sentBefore ?? []), ...(oldest?.more ?? [])]);
    if (!first) return;
    gone = [first];
    if (oldest?.more) oldest.more = oldest.more.filter((fact) => fact !== first);
  }
  let floor = life.floor ?? Number.NEGATIVE_INFINITY;
  for (const { timestamp } of gone) if (timestamp > floor) floor = timestamp;
  life.floor = floor;
  const calls = sentBefore?.filter((fact) => !gone.includes(fact) && fact.timestamp > floor) ?? [];
  life.sentBefore = calls.length > 0 ? calls : null;
  life.size = factsOf(life).length;
}
