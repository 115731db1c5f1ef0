/** What can be asked of the pictures, as those who ask see it. */
import type { Knex } from 'knex';
import type pg from 'pg';
import { type Answer, answer, refuse } from '../answer.ts';
import type {
  AsOf,
  GapRow,
  SnapshotsPage,
  Stats,
  TaskNames,
  TasksPage,
  TaskTree,
  TaskVersion,
  WorkerChange,
  WorkerRow,
  WorkersPage,
} from '../contract/history.ts';
import type { TaskRecord } from '../contract/records.ts';
import type { Seconds } from '../domain/event.ts';
import { now } from '../runtime.ts';
import { ask } from './ask.ts';
import { oneTask, taskAt, taskTree, taskVersions } from './one-task.ts';
import type {
  ChangesQuestion,
  PageQuestion,
  StatsQuestion,
  TasksQuestion,
  Which,
  WorkersQuestion,
} from './questions.ts';
import { snapshotsPage } from './snapshot-list.ts';
import { statsOf, taskNamesOf } from './stats.ts';
import { tasksPage } from './task-list.ts';
import { oneWorker, workerChanges, workersPage } from './worker-list.ts';

/**
 * All methods throw MonitorError DATABASE_UNREACHABLE where the database fails; what was asked wrongly is a refusal.
 * Every list as of the latest snapshot, at most `--frequency` old, or with `at` exactly as it was at the last snapshot at or
 * before that moment.
 */
export interface History {
  tasks(question: TasksQuestion): Promise<Answer<TasksPage>>;
  /** Everything that is recorded of a task now. Ask memory first: it is newer. */
  task(which: Which): Promise<Answer<{ readonly task: TaskRecord; readonly as_of: AsOf }>>;
  /** The version of a task that held then. */
  taskAt(which: Which, at: Seconds): Promise<Answer<{ readonly task: TaskVersion; readonly as_of: AsOf }>>;
  /** Every version of a task that is kept, oldest first; at most 1,000, the latest. */
  versions(which: Which): Promise<Answer<{ readonly items: readonly TaskVersion[] }>>;
  /** The workflow of which a task, any of it, is part; at most 1,000 tasks. */
  tree(which: Which, at: Seconds | null): Promise<Answer<TaskTree>>;
  /** By cluster and hostname. */
  workers(question: WorkersQuestion): Promise<Answer<WorkersPage>>;
  worker(which: Which, at: Seconds | null): Promise<Answer<{ readonly worker: WorkerRow; readonly as_of: AsOf }>>;
  /** Whenever its status, process or software was another one, newest first; the last is what held at the beginning. */
  workerChanges(question: ChangesQuestion): Promise<Answer<{ readonly items: WorkerChange[]; readonly cut: boolean }>>;
  /** From what is kept of figures; the busiest first, at most 1,000. */
  taskNames(question: Pick<StatsQuestion, 'from' | 'to' | 'cluster'>): Promise<Answer<TaskNames>>;
  stats(question: StatsQuestion): Promise<Answer<Stats>>;
  snapshots(
    question: PageQuestion & { readonly from: Seconds | null; readonly to: Seconds | null },
  ): Promise<Answer<SnapshotsPage>>;
}

const MAX_LIMIT = 1000;

type FindGaps = (from: Seconds, to: Seconds) => Promise<readonly GapRow[]>;

/** @param findGaps those that are at least in part between two moments */
export function createHistory(db: Knex, findGaps: FindGaps): History {
  const page = async <T>(limit: number, work: (client: pg.Client) => Promise<Answer<T>>): Promise<Answer<T>> =>
    Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_LIMIT
      ? ask(db, work)
      : refuse('limit', `a limit of ${limit} is not possible; expected a whole number from 1 to ${MAX_LIMIT}`);
  /** With the gaps that cover the moment: from its snapshot on. They are asked for when the question has let go of its connection. */
  const withGaps = async <T extends { readonly as_of: AsOf }>(
    at: Seconds | null,
    asked: Promise<Answer<T>>,
  ): Promise<Answer<T & { gaps: GapRow[] }>> => {
    const found = await asked;
    if (!found.ok) return found;
    const { taken_at } = found.value.as_of;
    return answer({ ...found.value, gaps: [...(await findGaps(taken_at, at ?? taken_at))] });
  };
  return {
    tasks: (question) =>
      withGaps(
        question.at,
        page(question.limit, (client) => tasksPage(client, question)),
      ),
    task: (which) => ask(db, (client) => oneTask(client, which)),
    taskAt: (which, at) => ask(db, (client) => taskAt(client, which, at)),
    versions: (which) => ask(db, (client) => taskVersions(client, which)),
    tree: (which, at) =>
      withGaps(
        at,
        ask(db, (client) => taskTree(client, which, at)),
      ),
    workers: (question) =>
      withGaps(
        question.at,
        page(question.limit, (client) => workersPage(client, question)),
      ),
    worker: (which, at) => ask(db, (client) => oneWorker(client, which, at)),
    workerChanges: (question) => ask(db, (client) => workerChanges(client, question)),
    taskNames: (question) => ask(db, (client) => taskNamesOf(client, question)),
    async stats(question) {
      const found = await ask(db, (client) => statsOf(client, question, now()));
      if (!found.ok) return found;
      return answer({ ...found.value, gaps: [...(await findGaps(found.value.from, found.value.to))] });
    },
    snapshots: (question) => page(question.limit, (client) => snapshotsPage(client, question)),
  };
}
