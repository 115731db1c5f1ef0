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
export const IGNORED = 'IGNORED';

/** The task has ended. Custom states and `REJECTED` are in none of these sets, as in Celery. */
export const READY_STATES: ReadonlySet<string> = new Set([SUCCESS, FAILURE, REVOKED]);
export const UNREADY_STATES: ReadonlySet<string> = new Set([PENDING, RECEIVED, STARTED, REJECTED, RETRY]);
export const EXCEPTION_STATES: ReadonlySet<string> = new Set([RETRY, FAILURE, REVOKED]);
export const PROPAGATE_STATES: ReadonlySet<string> = new Set([FAILURE, REVOKED]);

/** Where every state that is not listed stands: after FAILURE, before REVOKED. */
const CUSTOM_PRECEDENCE = 2;

const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  [SUCCESS, 0],
  [FAILURE, 1],
  [REVOKED, 3],
  [STARTED, 4],
  [RECEIVED, 5],
  [REJECTED, 6],
  [RETRY, 7],
  [PENDING, 8],
]);

/** Rank of a state where events came in no sensible order: the lower number wins. */
export function precedence(state: string): number {
  return PRECEDENCE.get(state) ?? CUSTOM_PRECEDENCE;
}
