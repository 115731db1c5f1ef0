/** The names of task states and what they mean, as in `celery.states` (Celery 5.2). */

/** The task is waiting for execution, or unknown. */
export const PENDING = 'PENDING';
export const RECEIVED = 'RECEIVED';
export const STARTED = 'STARTED';
export const SUCCESS = 'SUCCESS';
export const FAILURE = 'FAILURE';
export const REVOKED = 'REVOKED';
export const REJECTED = 'REJECTED';
/** The attempt failed and another one is to come. */
export const RETRY = 'RETRY';

/** The task has ended. Custom states, REJECTED and RETRY are not among these, as in Celery. */
export const READY_STATES: ReadonlySet<string> = new Set([SUCCESS, FAILURE, REVOKED]);
/** It has not. Custom states are not among these either. */
export const UNREADY_STATES: ReadonlySet<string> = new Set([PENDING, RECEIVED, STARTED, REJECTED, RETRY]);
/** Its result is an exception. */
export const EXCEPTION_STATES: ReadonlySet<string> = new Set([RETRY, FAILURE, REVOKED]);
/** Who asks for its result gets that exception thrown. */
export const PROPAGATE_STATES: ReadonlySet<string> = new Set([FAILURE, REVOKED]);
/** As `celery.states.ALL_STATES`: without REJECTED, which only events tell. */
export const ALL_STATES: ReadonlySet<string> = new Set([PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, RETRY, REVOKED]);

/** The names that django-celery's models had for states. */
export const TASK_STATUS_PENDING = 'PENDING';
export const TASK_STATUS_RETRY = 'RETRY';
export const TASK_STATUS_FAILURE = 'FAILURE';
/** Called DONE once: the task was executed and succeeded. */
export const TASK_STATUS_DONE = 'SUCCESS';
/** In order of their names, as a form offers them. */
export const TASK_STATUSES: readonly string[] = [...ALL_STATES].sort();
/** Pairs of value and label, as Django's `choices`. */
export const TASK_STATUSES_CHOICES: readonly (readonly [string, string])[] = TASK_STATUSES.map((state) => [
  state,
  state,
]);

/** Rank of a state where events came in no sensible order: the lower number wins. Custom states stand after FAILURE. */
export function precedence(state: string): number {
  switch (state) {
    case SUCCESS:
      return 0;
    case FAILURE:
      return 1;
    case REVOKED:
      return 3;
    case STARTED:
      return 4;
    case RECEIVED:
      return 5;
    case REJECTED:
      return 6;
    case RETRY:
      return 7;
    case PENDING:
      return 8;
    default:
      return 2;
  }
}
