/**
 * Sends tasks that are due, each due time once, whoever is killed and whenever.
 *
 * The protocol. Any number of beats may run. They share the database, the broker, and in it a durable queue of receipts that
 * belongs to this database.
 *
 * 1. *Leading.* The beat whose turn it is, by a lock in the database, consumes the receipts as their exclusive consumer, and
 *    publishes on that very channel. So the broker lets nobody else send until the channel is gone, with all that was not
 *    committed on it: a beat that was frozen, and wakes up when another has taken over, writes to a closed connection. The
 *    lock could not do that; it keeps the others from trying, also where they know the broker by another address.
 * 2. *Sending.* The messages of the tasks, and one receipt that names each with its due time and task id, are published in one
 *    transaction of AMQP: all of it reaches the broker, or nothing.
 * 3. *Recording.* A row for each due time is committed in the database, one at most by its key, with what counts them. Then the
 *    receipt is acknowledged.
 * 4. *Taking over.* A new leader first reads the receipts that are left, up to one of its own, and records them as in 3; what is
 *    recorded already stays as it is. From then on the rows tell of all that was sent: what is due and has none was not.
 *
 * Killed before the commit of 2, nothing was sent, and the next leader sends it. After it the receipt tells, and after 3 the
 * row. Whoever fails at anything steps down and begins anew at 1, so that one that fares better may lead. What is not covered
 * is told in docs/periodic-tasks.md.
 */
import { randomUUID } from 'node:crypto';
import type { Connection } from '../broker/connection.ts';
import type { TaskChannel } from '../broker/task-channel.ts';
import type { TaskMessage } from '../broker/task-message.ts';
import type { Seconds } from '../domain/event.ts';
import type { PeriodicRow } from '../domain/periodic.ts';
import type { Run, Timetable } from '../store/timetable.ts';
import type { DueTask } from './agenda.ts';

export interface DeliveryParts {
  readonly timetable: Pick<Timetable, 'record'>;
  /** As `TaskChannel.open`, with the queue of this database's receipts. */
  readonly open: (connection: Connection) => Promise<[channel: TaskChannel, receipts: string[]]>;
  readonly messageOf: (row: PeriodicRow, id: string, sent: Seconds) => TaskMessage;
  readonly clock: () => Seconds;
}

/** A due time on its way to the broker, and the run that it is once it got there. */
interface Parcel {
  readonly message: TaskMessage;
  readonly run: Run;
}

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #connection: Connection;
  #channel: TaskChannel;

  private constructor(parts: DeliveryParts, connection: Connection, channel: TaskChannel) {
    this.#parts = parts;
    this.#connection = connection;
    this.#channel = channel;
  }

  /** Begins to lead, and records what was sent before. @throws MonitorError, also while another leads */
  static async begin(parts: DeliveryParts, connection: Connection): Promise<Delivery> {
    const [channel, receipts] = await parts.open(connection);
    for (const receipt of receipts) await parts.timetable.record(JSON.parse(receipt) as Run[]);
    await channel.settle();
    return new Delivery(parts, connection, channel);
  }

  /** Sends and records, or skips and records. What became of each, in any order. @throws when the broker or database is lost */
  async deliver(due: readonly DueTask[]): Promise<readonly Run[]> {
    const skipped = due.filter(({ outcome }) => outcome === 'skip').map(skippedRun);
    if (skipped.length > 0) await this.#parts.timetable.record(skipped);
    const parcels = due.filter(({ outcome }) => outcome === 'send').map((task) => this.#pack(task));
    return [...skipped, ...(parcels.length > 0 ? await this.#send(parcels) : [])];
  }

  #pack({ row, due, missed }: DueTask): Parcel {
    const task_id = randomUUID();
    const sent_at = this.#parts.clock();
    const message = this.#parts.messageOf(row, task_id, sent_at);
    const run = {
      periodic_task: row.id,
      due_at: due,
      outcome: 'sent',
      task_id,
      sent_at,
      missed,
      reason: null,
    } as const;
    return { message, run };
  }

  async #send(parcels: readonly Parcel[]): Promise<readonly Run[]> {
    const messages = parcels.map(({ message }) => message);
    const runs = parcels.map(({ run }) => run);
    const sent = await this.#channel.send(messages, JSON.stringify(runs));
    if ('refused' in sent) return this.#sendApart(parcels, sent.refused);
    return this.#settle(
      runs.map((run) => {
        const reason = sent.returned.get(run.task_id ?? '');
        return reason === undefined ? run : { ...run, outcome: 'unroutable', reason };
      }),
    );
  }

  /** One of them made the broker close the channel: each is sent by itself, so that it keeps none of the others back. */
  async #sendApart(parcels: readonly Parcel[], reason: string): Promise<readonly Run[]> {
    const [channel, receipts] = await this.#parts.open(this.#connection);
    this.#channel = channel;
    const [only, ...others] = parcels.map(({ run }) => run);
    if (only && others.length === 0) return this.#settle([{ ...only, outcome: 'unroutable', reason }]);
    // A receipt although it was refused: some queue was full and took none, the others did.
    if (receipts.length > 0) {
      const doubt = `it, or another that was sent together with it, was refused by a queue: ${reason}`;
      return this.#settle(parcels.map(({ run }) => ({ ...run, reason: doubt })));
    }
    const runs: Run[] = [];
    for (const parcel of parcels) runs.push(...(await this.#send([parcel])));
    return runs;
  }

  async #settle(runs: readonly Run[]): Promise<readonly Run[]> {
    await this.#parts.timetable.record(runs);
    await this.#channel.settle();
    return runs;
  }
}

function skippedRun({ row, due, missed, reason }: DueTask): Run {
  const run = { periodic_task: row.id, due_at: due, outcome: 'skipped', missed, reason } as const;
  return { ...run, task_id: null, sent_at: null };
}
