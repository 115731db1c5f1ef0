/** What can be asked of the pictures, as those who ask see it. */
import type { Knex } from 'knex';
import { type Answer, type Refusal, refuse } from '../answer.ts';
import type {
  AsOf,
  GapRow,
  SnapshotsPage,
  Stats,
  StatsGroup,
  TaskNames,
  TaskSort,
  TasksPage,
  TaskTree,
  TaskVersion,
  WorkerRow,
  WorkersPage,
} from '../contract/history.ts';
import type { TaskRecord } from '../contract/records.ts';
import type { Seconds } from '../domain/event.ts';
import type { Filter } from '../domain/filter.ts';
import { ask } from './ask.ts';
import { tasksPage } from './task-list.ts';

/** Part of a list. */
export interface PageQuestion {
  /** 1 to 1,000. */
  readonly limit: number;
  /** `next` of the page before; null: the first page. */
  readonly cursor: string | null;
}

export interface TasksQuestion extends PageQuestion {
  readonly filter: Filter | null;
  readonly sort: TaskSort;
  readonly descending: boolean;
  /** Null: the latest snapshot. */
  readonly at: Seconds | null;
}

export interface WorkersQuestion extends PageQuestion {
  readonly cluster: string | null;
  readonly at: Seconds | null;
}

/** Which task, or which worker. */
export interface Which {
  /** uuid or hostname. */
  readonly id: string;
  /** Null: of whichever cluster has it, the one heard of last where several do. */
  readonly cluster: string | null;
}

export interface StatsQuestion {
  readonly from: Seconds;
  readonly to: Seconds;
  /** 60, 300, 3,600 or 86,400. */
  readonly bucket: Seconds;
  /** Null: everything in one series. */
  readonly by: StatsGroup | null;
  /** Null: of all. */
  readonly cluster: string | null;
  readonly name: string | null;
  /** Not together with `name`. */
  readonly worker: string | null;
}

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
  /** From what is kept of figures; the busiest first, at most 1,000. */
  taskNames(question: Pick<StatsQuestion, 'from' | 'to' | 'cluster'>): Promise<Answer<TaskNames>>;
  stats(question: StatsQuestion): Promise<Answer<Stats>>;
  snapshots(
    question: PageQuestion & { readonly from: Seconds | null; readonly to: Seconds | null },
  ): Promise<Answer<SnapshotsPage>>;
}

/** @param gaps those that are at least in part between two moments */
export function createHistory(
  db: Knex,
  gaps: (from: Seconds, to: Seconds) => Promise<readonly GapRow[]>,
): Pick<History, 'tasks'> {
  const limited = <T>(limit: number, work: () => Promise<Answer<T>>): Promise<Answer<T>> | Refusal =>
    Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_LIMIT
      ? work()
      : refuse('limit', `limit ${limit} is not possible; expected a whole number from 1 to ${MAX_LIMIT}`);
  return {
    async tasks(question) {
      return limited(question.limit, () =>
        ask(db, (client) => tasksPage(client, question, (asOf) => gaps(asOf.taken_at, question.at ?? asOf.taken_at))),
      );
    },
  };
}

const MAX_LIMIT = 1000;
