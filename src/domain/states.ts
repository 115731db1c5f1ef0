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
