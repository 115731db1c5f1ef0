/** A picture is taken of records that go on changing while it is developed. */
import { expect, test } from 'vitest';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';
import { copyTask, type Task } from '../../src/domain/task.ts';
import { runs } from '../support/effort.ts';
import { arbitraryStream, createRandom, streamOf } from '../support/lives.ts';

test.each(['celery', 'strict'] as const)(
  'a copy stays as the record was, whatever the %s fold is told after',
  (name) => {
    for (let seed = 1; seed <= runs(300); seed++) {
      const random = createRandom(seed);
      const clusters = createClusters({ maxTasks: 100, maxWorkers: 100 }, { fold: name });
      const { tasks } = stateOf(clusters, 'c');
      const copies: [Task, Task][] = [];
      for (const [event, local_received] of [...streamOf(random), ...arbitraryStream(random, 30)]) {
        fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received, event });
        const task = typeof event.uuid === 'string' ? tasks.get(event.uuid) : undefined;
        if (task && random() < 0.3) copies.push([copyTask(task), structuredClone(task)]);
      }
      for (const [copy, was] of copies) expect(copy, `seed ${seed}`).toEqual(was);
    }
  },
);
