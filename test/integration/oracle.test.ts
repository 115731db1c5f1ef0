/** Generated streams, folded by us and by the real `celery.events.state.State`, compared field by field. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Event, Json } from '../../src/domain/event.ts';
import { reportOf } from '../../src/domain/report.ts';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';
import { received } from '../support/celery-events.ts';
import { PYTHON } from '../support/services.ts';

const SCRIPT = fileURLToPath(new URL('../support/celery_state.py', import.meta.url));

/** All that is compared. */
interface Folded {
  readonly event_count: number;
  readonly task_count: number;
  readonly receiver_clock: number;
  readonly task_types: readonly string[];
  readonly tasks: readonly Record<string, Json>[];
  readonly tasks_by_time: readonly Json[];
  readonly workers: readonly Record<string, Json>[];
  /** Children by the parent that they wait for. */
  readonly waiting: readonly (readonly [Json, readonly Json[]])[];
}

interface Answer extends Folded {
  /** By event: the name of what Celery raised, or null. */
  readonly errors: readonly (string | null)[];
}

interface Stream {
  readonly events: readonly (readonly [Event, number])[];
  readonly localize: boolean;
}

/** A Python process with the real Celery: one stream, one answer. */
class Celery implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable> = spawn(PYTHON, [SCRIPT], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  readonly #answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  #complaint = '';

  constructor() {
    this.#process.stderr.on('data', (bytes: Buffer) => {
      this.#complaint += bytes.toString();
    });
  }

  async fold(stream: Stream): Promise<Answer> {
    this.#process.stdin.write(`${JSON.stringify(stream)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) {
      await once(this.#process, 'close');
      throw new Error(`Celery's State did not answer. Is it there? apt-get install python3-celery\n${this.#complaint}`);
    }
    return JSON.parse(value) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.stdin.end();
    await once(this.#process, 'close');
  }
}

/** Celery keeps the families of tasks under these names; an event that says so only confuses it. */
const HIDDEN = new Set(['children', 'parent', 'root', 'worker', 'cluster_state']);

function foldOurs(stream: Stream): Folded {
  const clusters = createClusters(
    { maxTasks: 10_000, maxWorkers: 5_000 },
    { fold: 'celery', localize: stream.localize, timeOrder: true },
  );
  const state = stateOf(clusters, 'c');
  stream.events.forEach(([event, local_received], i) => {
    fold(clusters, { position: i + 1, cluster: 'c', local_received, event });
  });
  const report = reportOf(state, 0);
  return {
    event_count: report.event_count,
    task_count: report.task_count,
    receiver_clock: state.clock,
    task_types: report.task_types,
    tasks: report.tasks.map(({ origin: _, children, ...task }) => ({ ...task, children: inOrder(children as Json[]) })),
    tasks_by_time: report.tasks_by_time,
    workers: report.workers.map(({ heartbeat_expires: _, alive: __, status: ___, ...worker }) => worker),
    waiting: [...state.indexes.waiting].map(([parent, uuids]) => [parent, [...uuids]]),
  };
}

function inOrder(uuids: readonly Json[]): Json[] {
  return [...uuids].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Celery's answer in our words: of ids that are no text, the key by which we know them. */
function expected({ errors: _, ...answer }: Answer): Folded {
  const key = (id: Json): string => (typeof id === 'string' ? id : `json:${typeof id === 'boolean' ? Number(id) : id}`);
  return {
    ...answer,
    tasks: answer.tasks.map(({ extra, ...task }) => ({
      ...task,
      extra: Object.fromEntries(Object.entries(extra as object).filter(([name]) => !HIDDEN.has(name))),
    })),
    waiting: answer.waiting.map(([parent, uuids]) => [key(parent), uuids.map(key)]),
  };
}

/** Celery's order of records is that of their last use. */
function sorted(folded: Folded): Folded {
  const byText = <T>(records: readonly T[], text: (record: T) => string): T[] =>
    [...records].sort((a, b) => (text(a) < text(b) ? -1 : 1));
  return {
    ...folded,
    tasks: byText(folded.tasks, ({ uuid }) => JSON.stringify(uuid)),
    waiting: byText(
      folded.waiting.map(([parent, uuids]) => [parent, inOrder(uuids)] as const),
      ([parent]) => JSON.stringify(parent),
    ),
  };
}

/**
 * Celery orders events by time where a clock is 0, and by the sender's name where two are equal. Whether it raises when
 * these are no numbers or names depends on all events before; our records do not depend on it. Such events are left out:
 * the monitor's clock is past 0 here, and what sends `task-sent` has a name.
 */
const FIRST: readonly [Event, number] = [{ type: 'hello', clock: 5 }, 1];
const comparable = received.filter(([event]) => event.type !== 'task-sent' || typeof event.hostname === 'string');

test('every record is what Celery holds', async () => {
  await using celery = new Celery();
  let raised = 0;
  let folded = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({ events: fc.array(comparable, { maxLength: 60, size: 'max' }), localize: fc.boolean() }),
      async ({ events, localize }) => {
        const stream = { events: [FIRST, ...events], localize };
        const answer = await celery.fold(stream);
        folded += answer.errors.length;
        raised += answer.errors.filter((error) => error !== null).length;
        expect(sorted(foldOurs(stream))).toEqual(sorted(expected(answer)));
      },
    ),
    { numRuns: 1000 },
  );
  // The streams are worth it: much is folded, and some of it makes Celery raise.
  expect(folded).toBeGreaterThan(5_000);
  expect(raised).toBeGreaterThan(folded / 100);
  expect(raised).toBeLessThan(folded / 2);
});
