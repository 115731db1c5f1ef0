/** The beat: leads when it is its turn, and then sends each periodic task when it is due. */
import type { Connection } from '../broker/connection.ts';
import type { Diagnostics } from '../diagnostics.ts';
import type { Seconds } from '../domain/event.ts';
import { reasonOf } from '../errors.ts';
import { every, sleep, supervise } from '../runtime.ts';
import type { Timetable } from '../store/timetable.ts';
import type { Turn } from '../store/turn.ts';
import { Agenda, type DueTask } from './agenda.ts';
import { Bell } from './bell.ts';
import { Delivery, type DeliveryParts } from './delivery.ts';

export interface BeatParts extends DeliveryParts {
  readonly timetable: Timetable;
  readonly turn: Turn;
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  /** Calls back when the tables may have changed, until the signal aborts. */
  readonly listen: (onChange: () => void, signal: AbortSignal) => Promise<void>;
  /** How long runs are kept; null: for ever. */
  readonly retention: Seconds | null;
  readonly diagnostics: Diagnostics;
}

/** Tasks to a batch, about. */
const BATCH = 200;
/** How often the change marker is looked at where nobody told of a change. */
const POLL: Seconds = 5;
/** The longest wait, so that a clock which is put forward is noticed. */
const NAP: Seconds = 1;
/** A clock that goes back by more was put back. */
const JUMP: Seconds = 1;
/** How long to wait before leading again: long enough for another to take over. */
const AGAIN: Seconds = 1.5;
/** What is under way when it is to stop may take so long. */
const GRACE: Seconds = 5;

export class Beat {
  readonly #parts: BeatParts;

  constructor(parts: BeatParts) {
    this.#parts = parts;
  }

  /** Leads whenever it can; ends when the signal aborts. Whatever fails is told, and it begins anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { turn, diagnostics } = this.#parts;
    while (!signal.aborted) {
      try {
        await turn.take((inner) => this.#lead(inner), signal);
      } catch (error) {
        if (signal.aborted) return;
        diagnostics.emit('beat:failed', { reason: reasonOf(error), retryIn: AGAIN });
      }
      await sleep(AGAIN, signal).catch(() => {});
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const { timetable, clock, retention, diagnostics, connect, listen } = this.#parts;
    await using connection = await connect(signal);
    const bell = new Bell();
    void connection.lost.then(() => bell.ring());
    // While a broker takes nothing, what is under way never ends. Cut off in the middle, its receipt will tell.
    const cut = (): void => void connection[Symbol.asyncDispose]();
    signal.addEventListener('abort', () => setTimeout(cut, GRACE * 1000).unref());
    const delivery = await Delivery.begin(this.#parts, connection);
    diagnostics.emit('beat:leading', { url: connection.url });
    try {
      await supervise(signal, [
        (inner) => this.#keepTime(delivery, connection, bell, inner),
        (inner) => listen(() => bell.ring(), inner),
        every(
          3600,
          async () => retention !== null && timetable.prune(clock() - retention),
          (error) => diagnostics.emit('beat:failed', { reason: reasonOf(error), retryIn: 3600 }),
        ),
      ]);
    } finally {
      diagnostics.emit('beat:stepped-down');
    }
  }

  /** Sends what is due, until the signal aborts. @throws when the broker or database is lost */
  async #keepTime(delivery: Delivery, connection: Connection, bell: Bell, signal: AbortSignal): Promise<void> {
    const { timetable, clock } = this.#parts;
    let agenda = new Agenda([]);
    let marker: string | null = null;
    let looked = Number.NEGATIVE_INFINITY;
    signal.addEventListener('abort', () => bell.ring(), { once: true });
    for (let latest = clock(); !signal.aborted; ) {
      if (!connection.open) throw await connection.lost;
      const time = clock();
      const putBack = time < latest - JUMP;
      latest = time;
      if (bell.rang() || putBack || time >= looked + POLL) {
        looked = time;
        const seen = await timetable.marker();
        if (seen !== marker || putBack) agenda = await this.#readAgenda(time);
        marker = seen;
      }
      const due = agenda.take(time, BATCH);
      if (due.length > 0) await this.#send(due, delivery, agenda);
      else await bell.wait(Math.min(NAP, agenda.next - clock()));
    }
  }

  async #readAgenda(time: Seconds): Promise<Agenda> {
    const agenda = new Agenda(await this.#parts.timetable.read(time));
    this.#parts.diagnostics.emit('beat:read', { tasks: agenda.size, unfit: agenda.unfit });
    return agenda;
  }

  async #send(due: readonly DueTask[], delivery: Delivery, agenda: Agenda): Promise<void> {
    const { diagnostics } = this.#parts;
    const runs = await delivery.deliver(await this.#unsettled(due));
    const once = new Set(due.filter(({ row }) => row.one_off).map(({ row }) => row.id));
    for (const { periodic_task, outcome } of runs)
      if (outcome === 'sent' && once.has(periodic_task)) agenda.drop(periodic_task);
    diagnostics.emit('beat:ran', { runs });
  }

  /** Without those of which it is known what became of them: where a clock was put back they come again. */
  async #unsettled(due: readonly DueTask[]): Promise<readonly DueTask[]> {
    const again = due.filter(({ row }) => row.ahead).map(({ row, due }) => ({ periodic_task: row.id, due_at: due }));
    if (again.length === 0) return due;
    const settled = await this.#parts.timetable.settled(again);
    const isSettled = ({ row, due }: DueTask): boolean =>
      settled.some(({ periodic_task, due_at }) => periodic_task === row.id && due_at === due);
    return due.filter((task) => !isSettled(task));
  }
}
