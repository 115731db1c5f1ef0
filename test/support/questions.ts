/** A record of one snapshot that answers what it is told to, and remembers what it was asked. */
import { answer, refuse } from '../../src/answer.ts';
import type { TaskRow } from '../../src/contract/history.ts';
import type { Questions } from '../../src/http/questions.ts';
import type { PeriodicTasks } from '../../src/store/periodic-tasks.ts';
import { nothing } from '../../src/store/results.ts';

const as_of = { snapshot: 1, taken_at: 900, position: 7 };

/** @param answers instead of those of an empty record */
export function createRecord(answers: Partial<Questions> = {}): Questions {
  const list = async () => answer({ items: [], next: null });
  const nobody = { items: [], next: null, total: { count: 0, kind: 'exact' as const }, as_of, gaps: [] };
  const unknown = async () => refuse('unknown', 'nothing is recorded of it');
  return {
    tasks: async () => tasksAnswer([]),
    task: unknown,
    taskAt: unknown,
    versions: unknown,
    tree: unknown,
    workers: async () => answer(nobody),
    worker: unknown,
    workerChanges: async () => answer({ items: [], cut: false }),
    difference: async () =>
      answer({ from: as_of, to: as_of, events: 0, tasks: [], uncompared: null, workers: [], gaps: [] }),
    taskNames: async ({ from, to }) => answer({ from, to, items: [] }),
    stats: async ({ from, to, bucket }) => answer({ from, to, bucket, series: [], cut: false, gaps: [] }),
    snapshots: list,
    gaps: list,
    gapsBetween: async () => [],
    database: async () => ({
      ...{
        exists: true,
        version: '15.20',
        error: null,
        schema: 'celerycam',
        applied: 5,
        pending: [],
        unknown: [],
        lacking: [],
        periodic: null,
      },
    }),
    deadLetters: list,
    eventsOf: async () => [],
    results: async (ids) => answer(ids.map((id) => nothing(id))),
    group: unknown,
    namesOf: async () => answer(new Map()),
    ...answers,
  };
}

const noTask = async () => refuse('unknown', 'there is no such periodic task');
const noPage = async () => answer({ items: [], next: null });

/** No periodic tasks, and no more of them. */
export const NO_PERIODIC_TASKS: PeriodicTasks = {
  list: noPage,
  one: noTask,
  named: noTask,
  create: async () => refuse('taken', 'there is one already'),
  change: noTask,
  remove: noTask,
  runs: noPage,
};

/** A page of `tasks`: rows and where it goes on. */
export function tasksAnswer(items: TaskRow[], next: string | null = null) {
  return answer({
    items,
    next,
    total: { count: items.length, kind: 'exact' as const },
    as_of,
    gaps: [],
    searched_to: null,
  });
}

export function taskRow(task_id: string, more: Partial<TaskRow> = {}): TaskRow {
  return {
    ...{
      cluster: 'c',
      task_id,
      name: 'proj.add',
      state: 'SUCCESS',
      worker: 'w@h',
      timestamp: 3,
      sent: null,
      received: 1,
    },
    ...{
      started: 2,
      runtime: 0.5,
      retries: 0,
      root_id: task_id,
      parent_id: null,
      args: '()',
      kwargs: '{}',
      result: '1',
    },
    ...{ exception: null, orphaned: null, ...more },
  };
}
