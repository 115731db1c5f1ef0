/** The runs of a task as they are shown: plain values, one for each attempt that is kept. */
import type { Seconds } from './event.ts';
import type { Life } from './life.ts';
import { stateOfAttempt } from './strict.ts';

export interface Run {
  /** 1 for the first that was ever known; earlier ones may be kept no longer. */
  readonly number: number;
  /** Celery's count of retries; null where its `task-received` was missed. */
  readonly retries: number | null;
  /** Node name; null where only a custom event told of it. */
  readonly worker: string | null;
  readonly pid: number | null;
  readonly received: Seconds | null;
  readonly started: Seconds | null;
  readonly state: string;
  /** When it ended; null while it has not, as far as is known. */
  readonly ended: Seconds | null;
  readonly result: string | null;
  readonly exception: string | null;
  readonly traceback: string | null;
  readonly runtime: Seconds | null;
}

/** In the order in which they began. */
export function runsOf(life: Life): Run[] {
  return life.attempts.map((attempt, n) => {
    const { process, received, started, end } = attempt;
    return {
      number: life.dropped + n + 1,
      retries: received?.call?.retries ?? null,
      worker: process?.hostname ?? null,
      pid: process?.pid ?? null,
      received: received?.timestamp ?? null,
      started: started?.timestamp ?? null,
      state: stateOfAttempt(attempt),
      ended: end?.timestamp ?? null,
      result: end?.said?.result ?? null,
      exception: end?.said?.exception ?? null,
      traceback: end?.said?.traceback ?? null,
      runtime: end?.said?.runtime ?? null,
    };
  });
}
