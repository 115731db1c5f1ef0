/** What each event of one task did to its record, as the `strict` reducer takes it, and why the task is in its state. */
import type { Event, JournalEntry, Json, Position, Seconds } from './event.ts';
import { type Fact, isSame } from './fact.ts';
import { createFacts, UNSHARED } from './facts.ts';
import type { Gap } from './gap.ts';
import { type Attempt, createLife, type Effect, factsOf, factsOfRun, type Life, live } from './life.ts';
import { type Run, runsOf } from './runs.ts';
import { PENDING, RECEIVED, REJECTED, RETRY, REVOKED, SUCCESS } from './states.ts';
import { stateOfAttempt } from './strict.ts';

/** One event as it arrived. */
export interface Explained {
  readonly position: Position;
  readonly type: string;
  /** Node name and pid of the sender, as sent. */
  readonly hostname: Json;
  readonly pid: Json;
  readonly clock: Json;
  readonly timestamp: Json;
  /** Seconds between its timestamp and its arrival, by two clocks; null where it has no timestamp. */
  readonly delay: Seconds | null;
  /** What it did, in one sentence without a full stop. */
  readonly effect: string;
}

export interface Explanation {
  readonly uuid: string;
  readonly state: string;
  /** In the order of the journal. */
  readonly events: readonly Explained[];
  /** In the order in which they began: all that is known now. */
  readonly runs: readonly Run[];
  /** Why it is in this state, in a few sentences. */
  readonly why: string;
}

/** What else is known, of the same cluster. */
export interface Circumstances {
  /** Intervals in which events may have been missed. */
  readonly gaps?: readonly (Pick<Gap, 'started_at' | 'ended_at'> & { readonly cause: string })[];
  /** What is thought of the workers, by node name: `OFFLINE (lost)`. */
  readonly workers?: ReadonlyMap<string, string>;
}

/** @param entries all events of one task of one cluster, in the order of the journal */
export function explain(uuid: string, entries: readonly JournalEntry[], known: Circumstances = {}): Explanation {
  const life = createLife();
  const toFact = createFacts();
  const positions = new Map<Fact, Position>();
  const events = entries.map(({ position, event, local_received }): Explained => {
    const { type, hostname = null, pid = null, clock = null, timestamp = null } = event;
    const told = {
      ...{ position, type, hostname, pid, clock, timestamp },
      delay: typeof timestamp === 'number' ? local_received - timestamp : null,
    };
    const fact = type.startsWith('task-') ? toFact(event, local_received, UNSHARED) : null;
    if (fact === null) return { ...told, effect: 'ignored: it names no task or no sender' };
    const before = life.attempts.map(({ end }) => end);
    const effect = live(life, fact);
    if (effect !== 'same' && effect !== 'too-old') positions.set(fact, position);
    return { ...told, effect: sentenceOf(effect, fact, event, life, positions, before) };
  });
  const latest = life.attempts.at(-1);
  const state = latest ? stateOfAttempt(latest) : PENDING;
  return { uuid, state, events, runs: runsOf(life), why: whyOf(state, life, known) };
}

function sentenceOf(
  effect: Effect,
  fact: Fact,
  event: Event,
  life: Life,
  positions: ReadonlyMap<Fact, Position>,
  before: readonly (Fact | null)[],
): string {
  const at = life.attempts.findIndex((attempt) => factsOfRun(attempt).includes(fact));
  const attempt = life.attempts[at];
  const run = `run ${life.dropped + at + 1}`;
  const ended = attempt?.end && `it had ended in ${stateOfAttempt(attempt)}${atPosition(positions.get(attempt.end))}`;
  switch (effect) {
    case 'sent': {
      const { retries } = fact.call ?? {};
      return `the call, sent by ${nameOf(fact)}${retries === undefined ? '' : `, retries ${retries}`}`;
    }
    case 'opens':
      return `opens ${run}: ${openingOf(fact)}${later(life, at)}`;
    case 'starts':
      return `${run} starts${later(life, at)}`;
    case 'colours':
      return `${run} is in ${fact.subject.toUpperCase()}${later(life, at)}`;
    case 'ends': {
      const other = before.find((end) => end !== null && attempt?.more?.includes(end));
      const instead = other ? `, before what was taken for its end${atPosition(positions.get(other))}` : '';
      return `completes ${run} with ${attempt ? stateOfAttempt(attempt) : ''}${instead}${later(life, at)}`;
    }
    case 'replaces-end':
      return `completes ${run} with ${REJECTED}: Celery told the same as a failure first`;
    case 'told-twice':
      return `told twice: of ${run}, ${ended}`;
    case 'after-end':
      return `ignored: ${String(event.exception ?? fact.subject)} after the end of ${run}, ${ended}`;
    case 'same': {
      const same = factsOf(life).find((other) => other.process.key === fact.process.key && isSame(other, fact));
      return `ignored: same event as position ${(same && positions.get(same)) ?? '?'}`;
    }
    case 'too-old':
      return life.floor !== null && fact.timestamp <= life.floor
        ? 'ignored: older than the runs that are still kept'
        : 'ignored: its process has told a later one of the kind';
  }
}

function atPosition(position: Position | undefined): string {
  return position === undefined ? '' : ` at position ${position}`;
}

/** That an event concerns an earlier run than the latest. */
function later({ attempts, dropped }: Life, at: number): string {
  return at < attempts.length - 1 ? `; the task is already in run ${dropped + attempts.length}` : '';
}

function openingOf(fact: Fact): string {
  const { subject, call } = fact;
  const by = nameOf(fact);
  if (subject === 'received')
    return `received by ${by}${call?.retries === undefined ? '' : `, retries ${call.retries}`}`;
  if (subject === 'started') return `started by ${by}; its task-received was not heard of`;
  return `task-${subject} by ${by}; nothing else of it was heard`;
}

function nameOf({ process: { hostname, pid } }: Fact): string {
  return pid === null ? hostname : `${hostname} (pid ${pid})`;
}

function whyOf(state: string, life: Life, known: Circumstances): string {
  const attempt = life.attempts.at(-1);
  if (!attempt) {
    return life.sent
      ? `It was sent at ${timeOf(life.sent)} and no worker has told of it: it waits in its queue, expired there, or its worker's events are off or were missed.${missedAfter(life.sent, known)}`
      : 'Nothing is known of it but its name.';
  }
  const run = `run ${life.dropped + life.attempts.length}`;
  const { end } = attempt;
  return end ? whyEnded(state, run, attempt, end, known) : whyGoing(state, run, attempt, known);
}

function whyEnded(state: string, run: string, attempt: Attempt, end: Fact, known: Circumstances): string {
  const told = `${nameOf(end)} told at ${timeOf(end)} that ${run}`;
  const { exception, extra } = end.said ?? {};
  const raised = exception === undefined ? '' : ` with ${exception}`;
  switch (state) {
    case SUCCESS:
      return `${told} succeeded.`;
    case RETRY:
      return `${told} failed${raised} and is to be tried again; the next attempt was not heard of yet.${missedAfter(end, known)}`;
    case REVOKED:
      if (extra?.expired === true) return `${told} had expired.`;
      return `${told} was revoked${extra?.terminated === true ? ' while it was executed' : ''}.`;
    case REJECTED:
      return extra?.requeue === true
        ? `${told} was rejected and put back into its queue; nothing was heard of it since.${missedAfter(end, known)}`
        : `${told} was rejected for good.`;
    case 'CANCELLED':
      return `${told} was cancelled when the worker lost its broker, which delivers the task again; nothing was heard of that yet.${missedAfter(end, known)}`;
    default:
      return `${told} failed${raised}.${attempt.received || attempt.started ? '' : ' Nothing else of that run was heard.'}`;
  }
}

function whyGoing(state: string, run: string, attempt: Attempt, known: Circumstances): string {
  const { received, started, custom } = attempt;
  const fact = started ?? received ?? custom;
  if (fact === null) return '';
  const worker = known.workers?.get(fact.process.hostname);
  const gone = worker === undefined ? '' : ` Its worker is ${worker}.`;
  if (state === RECEIVED) {
    const eta = received?.call?.eta === undefined ? '' : ` (${received.call.eta})`;
    return `${nameOf(fact)} received it at ${timeOf(fact)} and has not told that it started: it waits for a free process, its eta${eta} or its rate limit.${gone}${missedAfter(fact, known)}`;
  }
  const verb = started ? 'started' : received ? 'received' : 'told of';
  return `${nameOf(fact)} ${verb} ${run} at ${timeOf(fact)}, and its end was not heard of: it is being executed, it raised Ignore or replaced itself, which tells no end, or its end was lost.${gone}${missedAfter(fact, known)}`;
}

/** A gap that may have swallowed what came after a fact. */
function missedAfter({ timestamp }: Fact, { gaps = [] }: Circumstances): string {
  const gap = gaps.find(({ ended_at }) => ended_at > timestamp);
  return gap ? ` Events may have been missed from ${iso(gap.started_at)} to ${iso(gap.ended_at)} (${gap.cause}).` : '';
}

function timeOf({ timestamp }: Fact): string {
  return iso(timestamp);
}

/** As ISO 8601; times that no calendar holds stay numbers. */
function iso(time: Seconds): string {
  return Math.abs(time) < 8e12 ? new Date(time * 1000).toISOString() : String(time);
}
