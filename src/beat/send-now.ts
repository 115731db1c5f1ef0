/** Sends a periodic task by hand, whether it is due or not: Celery's `delay()`. No beat need run for it. */
import { randomUUID } from 'node:crypto';
import type { TaskMessage } from '../broker/task-message.ts';
import type { PeriodicRunRecord } from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import { type PeriodicRow, unfitReason } from '../domain/periodic.ts';
import { MonitorError, reasonOf } from '../errors.ts';
import type { Timetable } from '../store/timetable.ts';

export interface SendNowParts {
  readonly timetable: Pick<Timetable, 'find' | 'recordByHand'>;
  /** Null once a queue has it, else why none has. */
  readonly send: (message: TaskMessage, signal: AbortSignal) => Promise<string | null>;
  readonly messageOf: (row: PeriodicRow, id: string, sent: Seconds) => TaskMessage;
  readonly clock: () => Seconds;
}

/**
 * What became of it; null where there is no task of that id. What is disabled is sent as well, and neither counts nor changes
 * when it is due.
 * @throws MonitorError QUESTION_REFUSED where something is wrong with the task; BROKER_UNREACHABLE, BROKER_REFUSED, when it was
 *   not sent for all that is known; DATABASE_UNREACHABLE
 */
export type SendNow = (id: number, signal: AbortSignal) => Promise<PeriodicRunRecord | null>;

export function createSendNow({ timetable, send, messageOf, clock }: SendNowParts): SendNow {
  return async (id, signal) => {
    const row = await timetable.find(id);
    if (row === null) return null;
    const unfit = unfitReason(row);
    if (unfit !== null) throw new MonitorError('QUESTION_REFUSED', `it cannot be sent: ${unfit}`);
    const task_id = randomUUID();
    const sent_at = clock();
    const reason = await send(messageOf(row, task_id, sent_at), signal);
    const outcome = reason === null ? 'sent' : 'unroutable';
    const run = { periodic_task: id, due_at: null, outcome, task_id, sent_at, missed: 0, reason } as const;
    return timetable.recordByHand(run).catch((cause: unknown) => {
      const message = `it was sent as the task ${task_id}, which could not be recorded: ${reasonOf(cause)}`;
      throw new MonitorError('DATABASE_UNREACHABLE', outcome === 'sent' ? message : reasonOf(cause), { cause });
    });
  };
}
