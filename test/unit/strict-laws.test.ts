/**
 * What holds of the `strict` fold whatever arrives, over streams made from seeds. `CELERYCAM_LAWS=100000` sets how many
 * there are of each kind; `CELERYCAM_LAWS_FROM` the first seed, which a failure tells.
 */
import { expect, test } from 'vitest';
import { factsOf } from '../../src/domain/life.ts';
import { runsOf } from '../../src/domain/runs.ts';
import { createClusters, fold, type State, stateOf } from '../../src/domain/state.ts';
import { lifeOf, type Task } from '../../src/domain/task.ts';
import { compare } from '../support/compare.ts';
import { runs } from '../support/effort.ts';
import { arbitraryStream, createRandom, type Entry, interleave, type Random, streamOf } from '../support/lives.ts';

const STREAMS = Number(process.env['CELERYCAM_LAWS'] ?? runs(1500));
const FROM = Number(process.env['CELERYCAM_LAWS_FROM'] ?? 1);
const PATIENCE = 60_000 + STREAMS * 20;

function foldAll(entries: readonly Entry[], each: (state: State, entry: Entry) => void = () => undefined): State {
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 100 }, { fold: 'strict' });
  const state = stateOf(clusters, 'c');
  for (const entry of entries) {
    const [event, local_received] = entry;
    fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received, event });
    each(state, entry);
  }
  return state;
}

function recordOf(task: Task): unknown {
  const { life: _, children, ...fields } = task;
  const life = lifeOf(task);
  return { ...fields, children: children && [...children].sort(), runs: life && runsOf(life) };
}

/** All that is told of tasks, whatever order they came in. */
function told({ tasks, event_count, task_count, task_types, indexes }: State): unknown {
  const records = [...tasks.values()].sort((a, b) => (a.uuid < b.uuid ? -1 : 1)).map(recordOf);
  const waiting = [...indexes.waiting].map(([parent, uuids]) => [parent, ...[...uuids].sort()]).sort();
  return { records, event_count, task_count, names: [...task_types].sort(), waiting };
}

/** Runs a law over many streams; a failure names its seed. */
function forAll(law: (random: Random, seed: number) => void): () => void {
  return () => {
    for (let seed = FROM; seed < FROM + STREAMS; seed++) {
      try {
        law(createRandom(seed), seed);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  };
}

const isCustom = ([{ type }]: Entry): boolean => /progress|halfway/.test(type);

test(
  'a repeat changes nothing, no counter either',
  { timeout: PATIENCE },
  forAll((random) => {
    const entries = random() < 0.5 ? streamOf(random) : arbitraryStream(random);
    const repeated: Entry[] = [];
    for (const entry of entries) {
      repeated.push(entry);
      if (random() < 0.7) {
        const [event, at] = random.pick(repeated);
        repeated.push([event, at + random()]);
      }
    }
    expect(told(foldAll(repeated))).toEqual(told(foldAll(entries)));
  }),
);

test(
  'the record is the same in whatever order the processes are heard',
  { timeout: PATIENCE },
  forAll((random) => {
    const entries = streamOf(random);
    expect(told(foldAll(interleave(random, entries)))).toEqual(told(foldAll(entries)));
  }),
);

// Custom events alone are not all counted: what comes after a later one of its process is not told from a repeat.
test(
  'the record is the same in any order, with repeats',
  { timeout: PATIENCE },
  forAll((random) => {
    const entries = random() < 0.5 ? streamOf(random) : arbitraryStream(random);
    const known = entries.filter((entry) => !isCustom(entry));
    expect(told(foldAll(random.shuffle([...known, ...known])))).toEqual(told(foldAll(known)));
    const { event_count: _, ...wanted } = told(foldAll(entries)) as { event_count: number };
    expect(told(foldAll(random.shuffle([...entries, ...entries])))).toMatchObject(wanted);
  }),
);

test(
  'each event told of one run, or of the call alone',
  { timeout: PATIENCE },
  forAll((random) => {
    const state = foldAll(random.shuffle(random() < 0.5 ? streamOf(random) : arbitraryStream(random, 40)));
    for (const task of state.tasks.values()) {
      const life = lifeOf(task);
      const facts = life ? factsOf(life) : [];
      expect(facts.length).toBe(life?.size ?? 0);
      expect(new Set(facts).size).toBe(facts.length);
    }
  }),
);

test(
  'in true order a run goes forward only',
  { timeout: PATIENCE },
  forAll((random) => {
    let before = new Map<string, ReturnType<typeof runsOf>>();
    foldAll(streamOf(random), (state) => {
      const after = new Map<string, ReturnType<typeof runsOf>>();
      for (const task of state.tasks.values()) after.set(task.uuid, runsOf(lifeOf(task) ?? fail()));
      for (const [uuid, runs] of before) {
        const now = after.get(uuid) ?? [];
        expect(now.length).toBeGreaterThanOrEqual(runs.length);
        for (const [n, run] of runs.entries()) {
          if (run.ended === null) continue;
          // Celery's development head tells a Reject as a failure first.
          if (run.state === 'FAILURE' && now[n]?.state === 'REJECTED') continue;
          expect(now[n]).toEqual(run);
        }
      }
      before = after;
    });
  }),
);

// In an arbitrary order it may turn out that the run that ended began earlier than another, which then is the latest.
test(
  'in whatever order the processes are heard, a task that has ended does not go on, but for another run',
  { timeout: PATIENCE },
  forAll((random) => {
    const entries = interleave(random, streamOf(random));
    const ended = new Map<string, number>();
    foldAll(entries, (state) => {
      for (const task of state.tasks.values()) {
        const runs = runsOf(lifeOf(task) ?? fail());
        const before = ended.get(task.uuid);
        if (before !== undefined && runs.length <= before) expect(runs.at(-1)?.ended).not.toBeNull();
        if (runs.length > 0 && runs.at(-1)?.ended !== null) ended.set(task.uuid, runs.length);
        else ended.delete(task.uuid);
      }
    });
  }),
);

test(
  'complete streams in order of what simply runs are to Celery the same',
  { timeout: PATIENCE },
  forAll((random) => {
    expect([...compare(streamOf(random, { undisturbed: true })).differences()]).toEqual([]);
  }),
);

test(
  'whatever else happens, in whatever order and how often, each difference from Celery’s fold has its reason',
  { timeout: PATIENCE },
  forAll((random) => {
    const entries = streamOf(random);
    const heard = random() < 0.5 ? random.shuffle([...entries, ...entries.slice(0, random.below(4))]) : entries;
    expect([...compare(heard).differences()].filter(({ rule }) => rule === null)).toEqual([]);
  }),
);

test('a task retried 10,000 times stays small, and its runs are counted', () => {
  const random = createRandom(1);
  const entries: Entry[] = [];
  const tell = (at: number, subject: string, retries: number): void => {
    const event = {
      type: `task-${subject}`,
      uuid: 'u',
      hostname: 'w@h',
      pid: 1,
      clock: at + 1,
      timestamp: at,
      retries,
    };
    entries.push([event, at]);
    if (random() < 0.3) entries.push(random.pick(entries.slice(-400)));
  };
  for (let n = 0; n < 10_000; n++) {
    for (const [i, subject] of ['sent', 'received', 'started', 'retried', 'retried'].entries())
      tell(n * 5 + i, subject, n);
  }
  const state = foldAll(entries, ({ tasks }) =>
    expect(factsOf(lifeOf(tasks.get('u') ?? fail()) ?? fail()).length).toBeLessThanOrEqual(100),
  );
  const life = lifeOf(state.tasks.get('u') ?? fail()) ?? fail();
  expect(life.dropped + life.attempts.length).toBe(10_000);
  expect(runsOf(life).at(-1)).toMatchObject({ number: 10_000, retries: 9_999, state: 'RETRY' });
  expect(state.task_count).toBe(10_000);
  expect(state.event_count).toBe(50_000);
});

test.each([
  ['task-sent', 'sent', 1],
  ['progress of as many processes', 'progress', 0],
  ['the same end', 'failed', 1],
])('10,000 times %s: it stays small', (_, subject, pid) => {
  const first: Entry = [{ type: 'task-received', uuid: 'u', hostname: 'w@h', pid: 1, clock: 1, timestamp: 1 }, 1];
  const rest = Array.from({ length: 10_000 }, (_, n): Entry => {
    const at = n + 2;
    return [{ type: `task-${subject}`, uuid: 'u', hostname: 'w@h', pid: pid || at, clock: at, timestamp: at }, at];
  });
  const state = foldAll([first, ...rest]);
  const life = lifeOf(state.tasks.get('u') ?? fail()) ?? fail();
  expect(factsOf(life).length).toBeLessThanOrEqual(100);
  expect(life.dropped + life.attempts.length).toBe(1);
  expect(life.attempts[0]?.received?.timestamp).toBe(1);
  expect(state.event_count).toBe(10_001);
});

test('a process that was started anew with the same pid comes after the one before, whatever its clock says', () => {
  const tell = (subject: string, clock: number, at: number): Entry => [
    { type: `task-${subject}`, uuid: 'u', hostname: 'w@h', pid: 1, clock, timestamp: at },
    at + 0.1,
  ];
  const entries = [
    ...[tell('received', 500, 100), tell('started', 501, 101)],
    ...[tell('received', 3, 200), tell('started', 4, 201), tell('succeeded', 5, 202)],
  ];
  for (let seed = 1; seed < 50; seed++) {
    const state = foldAll(createRandom(seed).shuffle(entries));
    const task = state.tasks.get('u') ?? fail();
    expect(task.state).toBe('SUCCESS');
    expect(runsOf(lifeOf(task) ?? fail()).map((run) => run.state)).toEqual(['STARTED', 'SUCCESS']);
  }
});

test('a clock of the wall that is set back reorders nothing', () => {
  const tell = (subject: string, clock: number, at: number, arrived: number): Entry => [
    { type: `task-${subject}`, uuid: 'u', hostname: 'w@h', pid: 1, clock, timestamp: at },
    arrived,
  ];
  const entries = [tell('received', 3, 200, 200), tell('started', 4, 201, 201), tell('failed', 5, 100, 202)];
  for (let seed = 1; seed < 20; seed++) {
    const state = foldAll(createRandom(seed).shuffle(entries));
    expect(state.tasks.get('u')).toMatchObject({ state: 'FAILURE', received: 200, started: 201, failed: 100 });
  }
});

test('a retried task is the child of whoever called it, not of itself', () => {
  const tell = (clock: number, parent_id: string): Entry => [
    { type: 'task-received', uuid: 'u', hostname: 'w@h', pid: 1, clock, timestamp: clock, parent_id },
    clock,
  ];
  const entries = [tell(1, 'p'), tell(2, 'u'), tell(3, 'u')];
  const parent: Entry = [{ type: 'task-received', uuid: 'p', hostname: 'w@h', pid: 1, clock: 1, timestamp: 1 }, 1];
  for (let seed = 1; seed < 30; seed++) {
    const { tasks } = foldAll(createRandom(seed).shuffle([...entries, parent]));
    expect(tasks.get('p')?.children).toEqual(new Set(['u']));
    expect(tasks.get('u')?.children).toBeNull();
  }
});

function fail(): never {
  throw new Error('it is not there');
}
