/**
 * Where the `celery` and the `strict` reducer disagree, and which fault of Celery's fold explains it.
 *
 * An explanation is tested, not guessed: the task's events are folded again by the `celery` reducer, each time with one
 * more fault taken away (see `MENDED`). The first time it tells what `strict` tells, that fault was the reason.
 *
 * No difference is what `strict` tells elsewhere: a field that Celery leaves standing from an earlier run and that is told
 * in that run; the clock of a client, in whose place Celery puts its own; and that a retried task is its own child.
 */
import type { Event, JournalEntry, Json, Seconds } from './event.ts';
import type { Fact } from './fact.ts';
import { createFacts, UNSHARED } from './facts.ts';
import { createLife, factsOf, factsOfRun, type Life, live } from './life.ts';
import { livenessOf } from './liveness.ts';
import { reportTask } from './report.ts';
import { type Run, runsOf } from './runs.ts';
import { createClusters, fold, type Limits, type State, stateOf } from './state.ts';
import { PENDING, REJECTED, RETRY } from './states.ts';
import { lifeOf, TASK_FIELDS, type Task } from './task.ts';
import { inOrder } from './true-order.ts';

/** S1 to S8 are the well-known faults of `celery.events.state`; the others follow from how it is built. */
export const RULES = {
  S1: 'REJECTED ranks below RECEIVED and STARTED, so Celery never shows it',
  S2: 'to Celery a late task-retried overrides everything',
  S3: 'after RETRY Celery takes whatever comes late for news',
  S6: 'Celery counts and copies an event again that comes twice',
  S7: 'Celery knows no runs: an earlier one hides a later one, or leaves its fields to it',
  S8: 'to Celery a late heartbeat raises a worker that said goodbye',
  utcoffset: 'Celery shifts timestamps, which are UTC already, by the utcoffset of their sender',
  raises: 'Celery raises at an event without clock, timestamp or key, and loses it',
  late: 'Celery lets an event that comes late overwrite fields and times with older ones',
  'after-end': 'Celery lets what follows a run’s end replace it, such as SystemExit(-241) after a revocation',
  custom: 'to Celery a custom state outranks the states of a running or revoked task, whichever came last',
  fields: 'Celery copies any field of any event onto the record, of whatever type',
  null: 'Celery lets null overwrite what was told before',
  sender: 'Celery takes whoever sends a custom event for a worker',
  goodbye: 'Celery does not keep a worker of which it hears first when it says goodbye',
  heartbeats: 'Celery mixes the times of arrival and of events among the heartbeats of a worker',
} as const;

export type Rule = keyof typeof RULES;

export interface Difference {
  readonly kind: 'task' | 'worker' | 'cluster';
  /** uuid or node name. */
  readonly id: string;
  readonly field: string;
  readonly celery: Json;
  readonly strict: Json;
  /** What explains it; null: nothing does, so one of the two reducers is wrong in a way that is not known. */
  readonly rule: Rule | null;
}

/** Nothing is evicted: that is no disagreement, and would look like one. */
const UNLIMITED: Limits = { maxTasks: Number.POSITIVE_INFINITY, maxWorkers: Number.POSITIVE_INFINITY };

/** Both folds of one stream, with its events: memory grows with the stream. */
export class Comparison {
  readonly #celery = createClusters(UNLIMITED, { fold: 'celery' });
  readonly #strict = createClusters(UNLIMITED, { fold: 'strict' });
  readonly #byTask = new Map<string, JournalEntry[]>();
  #repeats = 0;
  /** Events of tasks that name no task or no sender by a text. */
  #unreadable = 0;
  readonly #identities = new Set<string>();
  #latest: Seconds = 0;

  add(entry: JournalEntry): void {
    const { event, local_received } = entry;
    fold(this.#celery, entry);
    fold(this.#strict, entry);
    this.#latest = Math.max(this.#latest, local_received);
    const identity = identityOf(event);
    if (this.#identities.has(identity)) this.#repeats++;
    this.#identities.add(identity);
    const { type, uuid, hostname } = event;
    if (!type.startsWith('task-')) return;
    if (typeof uuid !== 'string' || typeof hostname !== 'string') this.#unreadable++;
    if (typeof uuid !== 'string') return;
    const entries = this.#byTask.get(uuid);
    if (entries) entries.push(entry);
    else this.#byTask.set(uuid, [entry]);
  }

  /** Of all clusters. */
  *differences(): Generator<Difference, void, undefined> {
    for (const [name, celery] of this.#celery.byName) {
      const strict = stateOf(this.#strict, name);
      yield* this.#differencesOfTasks(celery, strict);
      yield* differencesOfWorkers(celery, strict, this.#latest);
      for (const field of ['event_count', 'task_count'] as const) {
        const [ours, theirs] = [strict[field], celery[field]];
        if (ours === theirs) continue;
        const rule = ours > theirs ? 'raises' : this.#ruleOfCount(field);
        yield { kind: 'cluster', id: name, field, celery: theirs, strict: ours, rule };
      }
    }
  }

  /** Why Celery counts more events. */
  #ruleOfCount(field: 'event_count' | 'task_count'): Rule | null {
    if (this.#repeats > 0) return 'S6';
    if (this.#unreadable > 0) return 'fields';
    return field === 'event_count' ? 'S8' : null;
  }

  *#differencesOfTasks(celery: State, strict: State): Generator<Difference, void, undefined> {
    for (const uuid of new Set([...celery.tasks.keys(), ...strict.tasks.keys()])) {
      const [theirs, ours] = [celery.tasks.get(uuid), strict.tasks.get(uuid)];
      const entries = (this.#byTask.get(uuid) ?? []).filter(({ cluster }) => cluster === celery.cluster);
      if (theirs && ours) yield* differencesOfTask(celery, theirs, strict, ours, entries);
      else {
        // Only what one of them could not read makes a task that the other does not know.
        const rule = theirs ? 'fields' : 'raises';
        yield { kind: 'task', id: uuid, field: 'uuid', celery: theirs ? uuid : null, strict: ours ? uuid : null, rule };
      }
    }
  }
}

const FIELDS = [...TASK_FIELDS].filter((field) => field !== 'uuid');

function* differencesOfTask(
  celery: State,
  theirs: Task,
  strict: State,
  ours: Task,
  entries: readonly JournalEntry[],
): Generator<Difference, void, undefined> {
  const told = reportTask(celery, theirs);
  const truth = reportTask(strict, ours);
  const life = lifeOf(ours);
  const earlier = life ? runsOf(life).slice(0, -1) : [];
  const agrees = (field: string, value: Json | undefined): boolean =>
    isSameJson(value, truth[field]) || (truth[field] === null && earlier.some((run) => tells(run, field, value)));
  const fields = FIELDS.filter((field) => !agrees(field, told[field]) && !(field === 'clock' && isClient(life)));
  const rules = fields.length > 0 ? explained(fields, entries, agrees, String(told.state)) : new Map<string, Rule>();
  for (const field of fields) {
    const [celery = null, strict = null] = [told[field], truth[field]];
    yield { kind: 'task', id: ours.uuid, field, celery, strict, rule: rules.get(field) ?? null };
  }
  const children = [...(theirs.children ?? [])].filter((uuid) => uuid !== ours.uuid && !ours.children?.has(uuid));
  const more = [...(ours.children ?? [])].filter((uuid) => !theirs.children?.has(uuid));
  if (children.length === 0 && more.length === 0) return;
  yield { kind: 'task', id: ours.uuid, field: 'children', celery: children, strict: more, rule: 'fields' };
}

/** The record's clock is that of a client, or of an event that had none. */
function isClient(life: Life | null): boolean {
  const attempt = life?.attempts.at(-1);
  const latest = attempt ? (attempt.end ?? attempt.custom ?? attempt.started ?? attempt.received) : life?.sent;
  return !latest || latest.clock === 0 || latest.subject === 'sent';
}

/** A run's field as Celery's record calls it: what Celery leaves to a later run, `strict` tells in the earlier one. */
function tells(run: Run, field: string, value: Json | undefined): boolean {
  if (field === 'exception' || field === 'traceback' || field === 'result' || field === 'runtime')
    return run[field] === value;
  if (field === 'received' || field === 'started') return run[field] === value;
  return ENDINGS[field] === run.state && run.ended === value;
}

const ENDINGS: Readonly<Record<string, string>> = {
  succeeded: 'SUCCESS',
  failed: 'FAILURE',
  retried: RETRY,
  revoked: 'REVOKED',
  rejected: REJECTED,
};

/** The rule for each field that some mended fold tells rightly. */
function explained(
  fields: readonly string[],
  entries: readonly JournalEntry[],
  agrees: (field: string, value: Json | undefined) => boolean,
  told: string,
): Map<string, Rule> {
  const rules = new Map<string, Rule>();
  const stream = streamOf(entries);
  for (const mend of MENDED) {
    const record = mend.fold(stream);
    for (const field of fields)
      if (!rules.has(field) && agrees(field, record[field])) rules.set(field, mend.rule(stream, told));
    if (fields.every((field) => rules.has(field))) return rules;
  }
  const record = MENDED.at(-1)?.fold(stream) ?? {};
  for (const field of fields) {
    const rule = rules.has(field) ? null : ruleOfField(field, record[field] ?? null, stream);
    if (rule) rules.set(field, rule);
  }
  return rules;
}

/** One task's events as `strict` takes them. */
interface Stream {
  readonly entries: readonly JournalEntry[];
  readonly life: Life;
  /** Mended where Celery would raise: with the clock and time that `strict` takes. */
  readonly entryOf: ReadonlyMap<Fact, JournalEntry>;
}

function streamOf(entries: readonly JournalEntry[]): Stream {
  const life = createLife();
  const toFact = createFacts();
  const entryOf = new Map<Fact, JournalEntry>();
  const mended = entries.flatMap((entry) => {
    const fact = toFact(entry.event, entry.local_received, UNSHARED);
    if (!fact) return [];
    const { clock, timestamp } = fact;
    const whole = { ...entry, event: { ...entry.event, clock, timestamp } };
    entryOf.set(fact, whole);
    live(life, fact);
    return [whole];
  });
  return { entries: mended, life, entryOf };
}

/** Celery's fold with one fault less each time. */
const MENDED: readonly {
  readonly fold: (stream: Stream) => Readonly<Record<string, Json>>;
  readonly rule: (stream: Stream, told: string) => Rule;
}[] = [
  { rule: () => 'raises', fold: ({ entries }) => foldAgain(entries, { localize: true }) },
  { rule: () => 'utcoffset', fold: ({ entries }) => foldAgain(entries) },
  { rule: () => 'S6', fold: ({ entries }) => foldAgain(withoutRepeats(entries)) },
  {
    rule: ({ life }, told) =>
      told === RETRY ? 'S2' : factsOf(life).some(({ subject }) => subject === 'retried') ? 'S3' : 'late',
    fold: (stream) => foldAgain(entriesOf(stream, inOrder(factsOf(stream.life)))),
  },
  {
    rule: ({ life }) => (life.dropped + life.attempts.length > 1 ? 'S7' : 'late'),
    fold: (stream) => foldAgain(entriesOf(stream, latestRun(stream, true))),
  },
  { rule: () => 'after-end', fold: (stream) => foldAgain(entriesOf(stream, latestRun(stream, false))) },
  {
    rule: ({ life }) => (life.attempts.at(-1)?.end?.subject === 'rejected' ? 'S1' : 'custom'),
    fold: (stream) => foldAgain(entriesOf(stream, latestRun(stream, false)), { ranks: false }),
  },
];

/** The call and the latest run, by stage; with all that was told of it, or only what counts. */
function latestRun({ life }: Stream, all: boolean): Fact[] {
  const attempt = life.attempts.at(-1);
  const sent = life.sent ? [life.sent] : [];
  if (!attempt) return sent;
  const called = attempt.received
    ? []
    : life.attempts.flatMap(({ received }) => (received ? [received] : [])).slice(-1);
  const own = factsOfRun(all ? attempt : { ...attempt, more: null });
  return [...sent, ...called, ...own];
}

function entriesOf({ entryOf }: Stream, facts: readonly Fact[]): JournalEntry[] {
  return facts.flatMap((fact) => entryOf.get(fact) ?? []);
}

function foldAgain(
  entries: readonly JournalEntry[],
  { localize = false, ranks = true } = {},
): Readonly<Record<string, Json>> {
  const clusters = createClusters({ maxTasks: 10, maxWorkers: 1_000 }, { fold: 'celery', localize });
  const state = stateOf(clusters, 'again');
  state.clock = 2 ** 50; // what the receiver gives clients is no clock of anybody
  for (const entry of entries) {
    if (!ranks) for (const task of state.tasks.values()) task.state = PENDING;
    fold(clusters, { ...entry, cluster: 'again' });
  }
  const [task] = state.tasks.values();
  return task ? reportTask(state, task) : {};
}

function withoutRepeats(entries: readonly JournalEntry[]): JournalEntry[] {
  const seen = new Set<string>();
  return entries.filter(({ event }) => {
    const identity = identityOf(event);
    return !seen.has(identity) && seen.add(identity);
  });
}

/** What no order of events explains, but a single event does. @param value what Celery makes of the run alone */
function ruleOfField(field: string, value: Json, stream: Stream): Rule | null {
  const { life } = stream;
  const attempt = life.attempts.at(-1);
  const facts = factsOf(life).filter(({ said }) => said?.extra && Object.hasOwn(said.extra, field));
  if (facts.length > 0) return 'fields';
  if (field === 'worker' && attempt?.custom && attempt.custom.process.hostname === value) return 'sender';
  if (value === null && stream.entries.some(({ event }) => event[field] === null)) return 'null';
  return null;
}

function* differencesOfWorkers(celery: State, strict: State, now: Seconds): Generator<Difference, void, undefined> {
  for (const hostname of new Set([...celery.workers.keys(), ...strict.workers.keys()])) {
    const [theirs, ours] = [celery.workers.get(hostname), strict.workers.get(hostname)];
    if (!theirs || !ours) {
      const rule = theirs ? 'sender' : 'goodbye';
      yield {
        ...{ kind: 'worker', id: hostname, field: 'hostname', rule },
        ...{ celery: theirs ? hostname : null, strict: ours ? hostname : null },
      };
      continue;
    }
    const alive = livenessOf(theirs, celery, now).status === 'ONLINE';
    const liveness = livenessOf(ours, strict, now);
    if (alive === (liveness.status === 'ONLINE')) continue;
    const rule = alive && liveness.reason === 'goodbye' ? 'S8' : 'heartbeats';
    yield { kind: 'worker', id: hostname, field: 'alive', celery: alive, strict: !alive, rule };
  }
}

function identityOf({ type, uuid, hostname, pid, clock, timestamp }: Event): string {
  return JSON.stringify([type, uuid, hostname, pid, clock, timestamp]);
}

function isSameJson(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}
