/** What the database keeps of a life. */
import { expect, test } from 'vitest';
import type { Life } from '../../src/domain/life.ts';
import { createClusters, fold, type State, stateOf } from '../../src/domain/state.ts';
import { storeLife } from '../../src/domain/stored-life.ts';
import { createTask, lifeOf, type Task } from '../../src/domain/task.ts';
import { copyFields } from '../../src/postgres-text.ts';
import { TASK_COLUMNS, TASK_RECORD, taskLine, toTask } from '../../src/store/rows.ts';
import { arbitraryStream, createRandom, type Entry, streamOf } from '../support/lives.ts';

function foldAll(entries: readonly Entry[]): State {
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 100 }, { fold: 'strict' });
  for (const [event, local_received] of entries)
    fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received, event });
  return stateOf(clusters, 'c');
}

function known(task: Task): Life {
  const life = lifeOf(task);
  if (!life) throw new Error('it has no life');
  return life;
}

/** As the database gives it back. */
function throughRow(task: Task): Task {
  const fields = copyFields(taskLine('c', task, 0).slice(0, -1));
  return toTask(TASK_RECORD.split(', ').map((column) => fields[TASK_COLUMNS.indexOf(column)]));
}

test('is the same life again, whatever was told', () => {
  const odd = ['a\0b', '\ud800', '😀', '', 'x'];
  for (let seed = 1; seed <= 1_000; seed++) {
    const random = createRandom(seed);
    const entries = random() < 0.5 ? streamOf(random) : arbitraryStream(random, 30);
    const told = entries.map(([event, at]): Entry => {
      const field = random.pick(['args', 'result', 'exception', 'root_id', 'name', 'exchange', 'retries', 'odd']);
      return random() < 0.3
        ? [{ ...event, [field]: random.pick<string | number | null>([...odd, 3, null]) }, at]
        : [event, at];
    });
    for (const task of foldAll(told).tasks.values()) {
      expect(known(throughRow(task)), `seed ${seed}`).toEqual(known(task));
    }
  }
});

test('does not say again what the record says', () => {
  const tell = (subject: string, clock: number, fields: Record<string, string>): Entry => [
    { type: `task-${subject}`, uuid: 'u', hostname: 'w@h', pid: 1, clock, timestamp: clock, ...fields },
    clock,
  ];
  const call = { name: 'tasks.add', args: '(1, 2)', root_id: 'u' };
  const { tasks } = foldAll([tell('received', 1, call), tell('started', 2, {}), tell('succeeded', 3, { result: '3' })]);
  const task = tasks.get('u') ?? createTask('');
  expect(JSON.parse(storeLife(known(task), task))).toEqual({
    processes: [['w@h', 1]],
    facts: [
      ['received', 0, 1, 1, 1, 1],
      ['started', 0, 2, 2, 2, 0],
      ['succeeded', 0, 3, 3, 3, 1],
    ],
  });
});
