/** What Celery makes of an event's type. */
import { FAILURE, PENDING, precedence, RECEIVED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS } from './states.ts';

/** The fields that hold when a task came into a state. */
export type StateTime = 'sent' | 'received' | 'started' | 'succeeded' | 'failed' | 'retried' | 'revoked' | 'rejected';

export interface CeleryType {
  /** As sent: `task-received`. */
  readonly type: string;
  /** What stands before the first `-`. */
  readonly group: string;
  /** What stands after it; empty when there is no `-`. */
  readonly subject: string;
  /** `task-sent`: it comes from a client, not from a worker. */
  readonly isSent: boolean;
  /** The state of a task to which this happens; of an unknown subject, the subject in upper case. */
  readonly state: string;
  readonly precedence: number;
  /** The field that is set to the event's time, null for an unknown subject. */
  readonly time: StateTime | null;
}

/** `TASK_EVENT_TO_STATE` in celery/events/state.py. */
const STATES: { readonly [subject in StateTime]: string } = {
  sent: PENDING,
  received: RECEIVED,
  started: STARTED,
  succeeded: SUCCESS,
  failed: FAILURE,
  retried: RETRY,
  revoked: REVOKED,
  rejected: REJECTED,
};

/** There are about a dozen types, but anybody may send any. */
const MAX_REMEMBERED = 1_000;

/** A function that looks at each type only once. */
export function createTypes(): (type: string) => CeleryType {
  const types = new Map<string, CeleryType>();
  return (type) => {
    let known = types.get(type);
    if (!known) {
      known = parseType(type);
      if (types.size < MAX_REMEMBERED) types.set(type, known);
    }
    return known;
  };
}

function parseType(type: string): CeleryType {
  const dash = type.indexOf('-');
  const group = dash < 0 ? type : type.slice(0, dash);
  const subject = dash < 0 ? '' : type.slice(dash + 1);
  const time = isStateTime(subject) ? subject : null;
  const state = time === null ? subject.toUpperCase() : STATES[time];
  return { type, group, subject, isSent: type === 'task-sent', state, precedence: precedence(state), time };
}

function isStateTime(subject: string): subject is StateTime {
  return Object.hasOwn(STATES, subject);
}
