/**
 * The cluster of a web shop, for pictures: an hour of it told at once, then going on by the clock. Between the simulated tasks
 * there are some worth a look: an order that is a chain with a chord in it, one that fails with a traceback, one that is retried.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConsumeMessage } from 'amqplib';
import type { SimulatedMessage } from '../../src/broker/simulated-worker.ts';
import { DEFAULT_SIMULATION, simulate } from '../../src/broker/simulator.ts';
import type { SimulationConfig } from '../../src/config.ts';
import { now } from '../../src/runtime.ts';
import { openLoad } from '../support/load.ts';
import { openSender, type Sender } from '../support/receiving.ts';

const HOUR = 3600;

const TASKS = [
  ...['shop.orders.tasks.confirm_order', 'shop.mail.tasks.send_receipt', 'shop.search.tasks.index_product'],
  ...['shop.images.tasks.make_thumbnails', 'shop.stock.tasks.sync_warehouse', 'shop.billing.tasks.charge_card'],
  ...['shop.reports.tasks.render_invoice', 'shop.recommendations.tasks.retrain'],
];

/** What is worth a look: the ids of tasks. */
export interface Sights {
  readonly order: string;
  readonly failed: string;
  readonly retried: string;
}

const TRACEBACK = `Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/.venv/lib/python3.12/site-packages/celery/app/trace.py", line 736, in __protected_call__
    return self.run(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/shop/billing/tasks.py", line 88, in charge_card
    payment = gateway.charge(order.customer.card, order.total, reference=order.reference)
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/shop/billing/gateway.py", line 141, in charge
    raise CardDeclined(answer["code"], answer["message"])
shop.billing.gateway.CardDeclined: insufficient_funds: the card has insufficient funds to complete the purchase
`;

/** A process as its latest message shows it. */
interface Process {
  readonly pid: number;
  readonly clock: number;
}

/** Tells what happens to one task after the other, by times that it is given: each event is published when its time has come. */
class Teller {
  readonly #events: { readonly type: string; readonly hostname: string; readonly timestamp: number }[] = [];
  #told = 0;

  tell(type: string, uuid: string, timestamp: number, fields: object = {}, hostname = 'celery@worker1'): void {
    this.#events.push({ hostname, timestamp, type, ...fields, ...{ uuid, utcoffset: 0 } });
  }

  /** Publishes what has happened by then, as of the process that has the name now. */
  publish(sender: Sender, time: number, processes: ReadonlyMap<string, Process>): void {
    for (const event of this.#events.filter(({ timestamp }) => timestamp <= time)) {
      this.#events.splice(this.#events.indexOf(event), 1);
      this.#told += 1;
      const { pid, clock } = processes.get(event.hostname) ?? { pid: 31, clock: 0 };
      sender.publish({ ...event, pid, clock: clock + this.#told / 1000 }, event.type.replace('-', '.'));
    }
  }

  /** A task from its sending to its end. */
  task(
    name: string,
    times: readonly [sent: number, started: number, ended: number],
    more: Partial<TaskFields> = {},
  ): string {
    const {
      uuid = randomUUID(),
      parent = null,
      root = uuid,
      result = 'None',
      hostname,
      args = '()',
      kwargs = '{}',
    } = more;
    const [sent, started, ended] = times;
    const fields = { name, args, kwargs, retries: 0, eta: null, expires: null, root_id: root, parent_id: parent };
    this.tell('task-sent', uuid, sent, { ...fields, queue: 'shop', exchange: '', routing_key: 'shop' }, 'gen31@web-1');
    this.tell('task-received', uuid, sent + 0.004, fields, hostname);
    this.tell('task-started', uuid, started, {}, hostname);
    if (more.exception === undefined) {
      this.tell('task-succeeded', uuid, ended, { result, runtime: ended - started }, hostname);
    } else {
      this.tell('task-failed', uuid, ended, { exception: more.exception, traceback: TRACEBACK }, hostname);
    }
    return uuid;
  }
}

interface TaskFields {
  readonly uuid: string;
  readonly parent: string;
  readonly root: string;
  readonly args: string;
  readonly kwargs: string;
  readonly result: string;
  readonly exception: string;
  readonly hostname: string;
}

export interface Shop {
  /** Tells what has happened since, and goes on by the clock until the signal aborts. */
  goOn(signal: AbortSignal): Sights;
}

/** Tells all of the last hour. */
export async function openShop(url: string, options: Partial<SimulationConfig> = {}): Promise<Shop> {
  const publisher = await openLoad(url);
  const sender = await openSender(url);
  const start = now() - HOUR;
  const shape = { ...DEFAULT_SIMULATION, tasks: TASKS, rate: 6, workers: 6, failures: 0.02, retries: 0.03 };
  const messages = simulate({ ...shape, ...options }, start);
  let message = messages.next().value as SimulatedMessage;
  const processes = new Map<string, Process>();
  const upTo = async (time: number): Promise<void> => {
    for (let n = 0; start + message.at <= time; n++, message = messages.next().value as SimulatedMessage) {
      publisher.publish(message);
      note(message, processes);
      if (n % 500 === 499) await publisher.confirmed(500);
    }
    await publisher.confirmed();
  };
  await upTo(now());
  sender.publish(Buffer.from([0x80, 0x04, 0x95, ...Buffer.from('cshop.models\nOrder\nq\x00)')]), 'task.sent', {
    contentType: 'application/x-python-serialize',
    contentEncoding: 'binary',
  });
  sender.publish(Buffer.from('{"type": "task-started", "uuid": "3c1f'), 'task.multi');
  await sender.confirmed();
  // What a beat sends is worked off, too.
  const { queue } = await sender.channel.assertQueue('celery');
  const goOn = async (teller: Teller, signal: AbortSignal): Promise<void> => {
    await sender.channel.consume(queue, (message) => tellWork(teller, message), { noAck: true });
    while (!signal.aborted) {
      await upTo(now());
      teller.publish(sender, now(), processes);
      await delay(100, undefined, { signal }).catch(() => {});
    }
    await sender[Symbol.asyncDispose]();
    await publisher[Symbol.asyncDispose]();
  };
  return {
    goOn(signal) {
      const teller = new Teller();
      const sights = tellSights(teller, now() + 1);
      void goOn(teller, signal);
      return sights;
    },
  };
}

function note({ hostname, body }: SimulatedMessage, processes: Map<string, Process>): void {
  const read = (field: string): number =>
    Number(body.slice(body.lastIndexOf(`"${field}": `) + field.length + 4).match(/^\d+/));
  if (body.length > 2) processes.set(hostname, { pid: read('pid'), clock: read('clock') });
}

/** A task that was sent to the workers: one of them takes it. */
function tellWork(teller: Teller, message: ConsumeMessage | null): void {
  if (message === null) return;
  const { id, task: name, argsrepr: args, kwargsrepr: kwargs } = message.properties.headers ?? {};
  const at = now();
  const fields = { name, args, kwargs, retries: 0, eta: null, expires: null, root_id: id, parent_id: null };
  teller.tell('task-received', id, at, fields, 'celery@worker2');
  teller.tell('task-started', id, at + 0.01, {}, 'celery@worker2');
  teller.tell('task-succeeded', id, at + 0.4, { result: 'None', runtime: 0.39 }, 'celery@worker2');
}

/** @param at when the first of them was sent, epoch seconds */
function tellSights(teller: Teller, at: number): Sights {
  const order = randomUUID();
  const below = (parent: string, hostname: string) => ({ parent, root: order, hostname });
  teller.task('shop.orders.tasks.place_order', [at, at + 0.02, at + 0.9], {
    ...{
      uuid: order,
      hostname: 'celery@worker1',
      args: "(48213, {'lines': [{'sku': 'MUG-01', 'n': 2}, {'sku': 'TEE-M', 'n': 1}]})",
    },
    ...{
      kwargs: "{'customer': 'c-20931', 'currency': 'EUR', 'coupon': None}",
      result: "{'reference': 'A-48213', 'total': '58.90'}",
    },
  });
  const stock = teller.task(
    'shop.stock.tasks.reserve',
    [at + 0.9, at + 0.94, at + 2.1],
    below(order, 'celery@worker2'),
  );
  const charge = teller.task(
    'shop.billing.tasks.charge_card',
    [at + 2.1, at + 2.13, at + 3.4],
    below(stock, 'celery@worker3'),
  );
  const labels = ['label', 'invoice', 'receipt', 'loyalty'].map((name, n) =>
    teller.task(
      `shop.dispatch.tasks.make_${name}`,
      [at + 3.4, at + 3.45 + n / 20, at + [4.6, 7.2, 4.1, 3.9][n]!],
      below(charge, `celery@worker${n + 1}`),
    ),
  );
  const ship = teller.task(
    'shop.dispatch.tasks.hand_over',
    [at + 7.2, at + 7.3, at + 8.6],
    below(labels[1] ?? charge, 'celery@worker5'),
  );
  teller.task('shop.mail.tasks.send_tracking_link', [at + 8.6, at + 8.7, at + 9.1], below(ship, 'celery@worker6'));
  const failed = teller.task('shop.billing.tasks.charge_card', [at + 10, at + 10.1, at + 11.7], {
    args: "('A-48220', Decimal('129.00'))",
    kwargs: "{'card': {'brand': 'visa', 'last4': '4242', 'expires': (2027, 11)}, 'attempts': [], 'notify': True}",
    exception: "CardDeclined('insufficient_funds: the card has insufficient funds to complete the purchase')",
  });
  return { order, failed, retried: tellRetried(teller, at + 12) };
}

/** Three attempts, each on another worker; the last succeeds. */
function tellRetried(teller: Teller, at: number): string {
  const uuid = randomUUID();
  const name = 'shop.stock.tasks.sync_warehouse';
  for (const [n, begin] of [at, at + 4, at + 12].entries()) {
    const hostname = `celery@worker${n + 2}`;
    const parent_id = n === 0 ? null : uuid;
    const fields = { name, args: "('warehouse-3',)", kwargs: "{'full': False}", retries: n, root_id: uuid, parent_id };
    teller.tell('task-received', uuid, begin, fields, hostname);
    teller.tell('task-started', uuid, begin + 0.2 + n / 2, {}, hostname);
    if (n < 2) {
      const exception = "ReadTimeout('warehouse-3 did not answer within 1.5 s')";
      teller.tell('task-retried', uuid, begin + 1.9 + n, { exception, traceback: TRACEBACK }, hostname);
    } else
      teller.tell(
        'task-succeeded',
        uuid,
        begin + 3.2,
        { result: "{'synced': 1204, 'skipped': 3}", runtime: 2 },
        hostname,
      );
  }
  return uuid;
}
