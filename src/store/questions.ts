/** What those who ask the history say. */
import type { StatsGroup, TaskSort } from '../contract/history.ts';
import type { Seconds } from '../domain/event.ts';
import type { Filter } from '../domain/filter.ts';

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

/** Which worker, and between which moments. */
export interface ChangesQuestion extends Which {
  readonly from: Seconds;
  readonly to: Seconds;
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
