/**
 * Streams of a small cluster, made from a seed: what clients, workers and pool children would tell, each process with its
 * own clock and every host with a skew smaller than the time between events. In true order, as nobody receives them.
 */
import type { Event, Json } from '../../src/domain/event.ts';

export type Entry = readonly [event: Event, local_received: number];

export interface Random {
  /** 0 ≤ n < 1. */
  (): number;
  pick<T>(from: readonly T[]): T;
  below(n: number): number;
  shuffle<T>(items: readonly T[]): T[];
}

/** mulberry32 */
export function createRandom(seed: number): Random {
  let a = seed | 0;
  const random = (): number => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number): number => Math.floor(random() * n);
  return Object.assign(random, {
    below,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    shuffle: <T>(items: readonly T[]): T[] => {
      const shuffled = [...items];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
      }
      return shuffled;
    },
  });
}

interface Sender {
  readonly hostname: string;
  readonly pid: number;
  clock: number;
  readonly skew: number;
  readonly worker: boolean;
}

export interface StreamOptions {
  /** Only what a healthy cluster tells of tasks that simply run: nothing that Celery's fold gets wrong. */
  readonly undisturbed?: boolean;
  readonly tasks?: number;
}

/** Seconds between two events: hosts agree within it. */
const STEP = 1;

/** All events of the stream, of all its tasks and workers, in true order. */
export function streamOf(
  random: Random,
  { undisturbed = false, tasks = 1 + random.below(3) }: StreamOptions = {},
): Entry[] {
  const skew = (): number => (undisturbed ? 0 : (random() - 0.5) * 0.9 * STEP);
  const sender = (hostname: string, pid: number, worker: boolean, skewed = skew()): Sender => ({
    hostname,
    pid,
    clock: random.below(50),
    skew: skewed,
    worker,
  });
  const workers = [0, 1, 2].map((n) => sender(`celery@w${n}`, 100 + n, true));
  const children = workers.map((worker, n) => ({
    ...sender(worker.hostname, 200 + n, false, worker.skew),
    clock: random.below(5),
  }));
  const client = sender('gen9@client', 9, false);
  const entries: Entry[] = [];
  let now = 1_800_000_000;

  /** Lets one process tell one thing. */
  const tell = (by: Sender, subject: string, uuid: string, fields: Readonly<Record<string, Json>> = {}): void => {
    now += STEP;
    by.clock += 1 + random.below(3);
    const event: Event = {
      hostname: by.hostname,
      utcoffset: 0,
      pid: by.pid,
      clock: by.clock,
      uuid,
      ...fields,
      timestamp: now + by.skew,
      type: `task-${subject}`,
    };
    entries.push([event, now + 0.6]);
  };

  const steps = Array.from({ length: tasks }, (_, n) => lifeOf(`task-${n}`, tasks));
  // The lives run at the same time.
  while (steps.length > 0) {
    const n = random.below(steps.length);
    if ((steps[n] as Iterator<void>).next().done) steps.splice(n, 1);
  }
  return entries;

  function* lifeOf(uuid: string, of: number): Generator<void, void, undefined> {
    const parent = !undisturbed && random() < 0.3 ? `task-${random.below(of + 1)}` : null;
    const family = { root_id: uuid, parent_id: parent };
    const sends = random() < 0.7;
    let call: Record<string, Json> = {
      ...{ name: random.pick(['app.add', 'app.mul']), args: '(1, 2)', kwargs: '{}', retries: 0 },
      ...{ eta: null, expires: null, ...family },
    };
    let at = random.below(3);
    const next = (): void => {
      if (random() < 0.5) at = random.below(3);
    };
    const by = (): Sender => workers[at] as Sender;
    const send = (): void => {
      if (sends) tell(client, 'sent', uuid, { ...call, queue: 'celery', exchange: '', routing_key: 'celery' });
    };
    const failure = (): Record<string, Json> => ({
      exception: `ValueError(${random.below(9)})`,
      traceback: 'Traceback',
    });

    for (let attempt = 0; attempt < 6; attempt++) {
      send();
      yield;
      const how = undisturbed ? random() * 0.55 : random();
      if (!undisturbed && how > 0.97) return; // lost in the queue
      if (how > 0.94) {
        const revoked = random() < 0.5;
        if (revoked) tell(by(), 'revoked', uuid, { terminated: false, signum: null, expired: true });
        else tell(by(), 'failed', uuid, { exception: "NotRegistered('app.none')", traceback: 'Traceback' });
        return;
      }
      tell(by(), 'received', uuid, call);
      yield;
      if (how > 0.91) {
        tell(by(), 'revoked', uuid, { terminated: false, signum: null, expired: false });
        return;
      }
      tell(by(), 'started', uuid);
      yield;
      if (!undisturbed) {
        const child = children[at] as Sender;
        for (let n = random.below(4); n > 1; n--) {
          tell(child, 'progress', uuid, { current: n });
          yield;
        }
      }
      if (how < 0.35) {
        tell(by(), 'succeeded', uuid, { result: String(random.below(9)), runtime: random.below(9) });
        return;
      }
      if (how < 0.45) {
        tell(by(), 'failed', uuid, failure());
        if (!undisturbed && random() < 0.3) tell(by(), 'failed', uuid, failure());
        return;
      }
      if (how < 0.6) {
        // The message of the next attempt is sent before this one tells that it is to be retried.
        const before = by();
        const fields = failure();
        call = { ...call, retries: attempt + 1, parent_id: uuid };
        if (undisturbed) {
          tell(before, 'retried', uuid, fields);
          next();
          continue;
        }
        if (random() < 0.5) {
          tell(before, 'retried', uuid, fields);
          next();
          continue;
        }
        send();
        next();
        tell(by(), 'received', uuid, call);
        yield;
        tell(before, 'retried', uuid, fields);
        yield;
        tell(by(), 'started', uuid);
        yield;
        tell(by(), 'succeeded', uuid, { result: 'late', runtime: 1 });
        return;
      }
      if (how < 0.65) {
        // Replaced under the same uuid, or requeued.
        if (random() < 0.5) call = { ...call, name: 'app.other' };
        else tell(by(), 'rejected', uuid, { requeue: true });
        next();
        continue;
      }
      if (how < 0.7) {
        if (random() < 0.5) tell(by(), 'failed', uuid, failure());
        tell(by(), 'rejected', uuid, { requeue: false });
        return;
      }
      if (how < 0.75) {
        tell(by(), 'revoked', uuid, { terminated: true, signum: 15, expired: false });
        if (random() < 0.5) tell(by(), 'failed', uuid, { exception: 'SystemExit(-241)', traceback: 'Traceback' });
        return;
      }
      if (how < 0.8) {
        tell(by(), 'cancelled', uuid);
        next();
        continue;
      }
      if (how < 0.86) {
        // Delivered to another worker while this one runs it: both tell an end, or one of them does.
        const first = by();
        at = (at + 1) % 3;
        tell(by(), 'received', uuid, call);
        yield;
        tell(by(), 'started', uuid);
        yield;
        for (const each of random.shuffle([first, by()])) {
          if (random() < 0.3) tell(each, 'failed', uuid, failure());
          else if (random() < 0.8) tell(each, 'succeeded', uuid, { result: '1', runtime: 1 });
          yield;
        }
        return;
      }
      return; // raised Ignore, or its end was lost
    }
  }
}

/** What events may tell of a task: all that Celery's do, and two of somebody's own. */
export const SUBJECTS: readonly string[] = [
  ...['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected', 'cancelled'],
  ...['progress', 'halfway'],
];

/** Events of anything from anybody: few values, so that they meet. Two events of one process never share clock, time and type. */
export function arbitraryStream(random: Random, length = random.below(16)): Entry[] {
  const entries = new Map<string, Entry>();
  for (let n = 0; n < length; n++) {
    const process = random.below(4);
    const clock = random.below(12);
    const at = random.below(10);
    const subject = random.pick(SUBJECTS);
    const event: Event = {
      type: `task-${subject}`,
      uuid: `task-${random.below(2)}`,
      hostname: `w${process % 2}@h`,
      pid: process,
      clock: clock === 0 ? null : clock,
      timestamp: 1000 + at,
      terminated: random() < 0.5,
      requeue: random() < 0.5,
      parent_id: random() < 0.3 ? `task-${random.below(3)}` : null,
      retries: random.below(3),
      exception: String(n),
    };
    const id = JSON.stringify([subject, process, clock, at, event.uuid]);
    if (!entries.has(id)) entries.set(id, [event, 2000 + random.below(5)]);
  }
  return [...entries.values()];
}

/** The events in another order in which each process still tells in its own. */
export function interleave(random: Random, entries: readonly Entry[]): Entry[] {
  const byProcess = new Map<string, Entry[]>();
  for (const entry of entries) {
    const key = `${entry[0].hostname} ${entry[0].pid}`;
    const sequence = byProcess.get(key);
    if (sequence) sequence.push(entry);
    else byProcess.set(key, [entry]);
  }
  const sequences = [...byProcess.values()];
  const merged: Entry[] = [];
  while (sequences.length > 0) {
    const n = random.below(sequences.length);
    merged.push((sequences[n] as Entry[]).shift() as Entry);
    if (sequences[n]?.length === 0) sequences.splice(n, 1);
  }
  return merged;
}
