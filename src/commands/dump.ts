/** `celerycam dump`: joins the brokers as a guest and prints each message as one line of JSON. Records nothing. */
import { decode } from '../broker/decoder.ts';
import type { Delivery } from '../broker/delivery.ts';
import { Inbox } from '../broker/inbox.ts';
import { Receiver } from '../broker/receiver.ts';
import type { Config } from '../config.ts';
import { createDiagnostics } from '../diagnostics.ts';
import type { DeadLetter } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import type { Redactor } from '../domain/redaction.ts';
import type { Logger } from '../log.ts';
import { openRedactor } from '../redaction-rules.ts';
import { AsyncStack, type Loop, supervise } from '../runtime.ts';

/** Runs until the signal aborts. */
export async function dump(config: Config, log: Logger, signal: AbortSignal): Promise<void> {
  await using stack = new AsyncStack();
  const inbox = new Inbox(config.inbox);
  const diagnostics = createDiagnostics();
  diagnostics.on('receiver:ready', (at) => log.info(at, 'consuming'));
  diagnostics.on('receiver:lost', (at) => log.warn(at, 'not consuming'));
  const onGap = (gap: Gap): void => log.warn({ ...gap }, 'events may be missing');
  const receivers = config.brokers.map((broker) =>
    stack.use(new Receiver({ ...broker, queue: null }, { inbox, diagnostics, onGap, log })),
  );
  const redactor = openRedactor(config, () => null);
  const print: Loop = async (until) => {
    for await (const batch of inbox.batches(until)) {
      process.stdout.write(batch.map((delivery) => lineOf(delivery, (letter) => warn(letter, log), redactor)).join(''));
    }
  };
  await supervise(signal, [
    print,
    ...receivers.map(
      (receiver): Loop =>
        (until) =>
          receiver.run(until),
    ),
  ]);
}

/**
 * One message as a line of NDJSON, `{"routing_key","headers","body","local_received"}`, where `body` is an event or a list
 * of events. Empty where nothing of it could be decoded: that goes to `onDeadLetter`.
 * With redaction it is what would be recorded, without headers, in which anything may be.
 */
export function lineOf(
  delivery: Delivery,
  onDeadLetter: (letter: DeadLetter) => void,
  redactor: Redactor | null = null,
): string {
  const decoded = decode([delivery]);
  const events = redactor ? decoded.events.map(redactor.event) : decoded.events;
  const deadLetters = redactor ? decoded.deadLetters.map(redactor.letter) : decoded.deadLetters;
  deadLetters.forEach(onDeadLetter);
  if (events.length === 0 && deadLetters.length > 0) return '';
  const texts = events.map(({ body }) => body);
  // A buffer of events comes under the key `task.multi`, even when it holds one or none.
  const single = events.length === 1 && !delivery.routing_key.endsWith('.multi');
  const body = single ? texts[0] : `[${texts.join(',')}]`;
  const headers = JSON.stringify(redactor ? {} : delivery.headers, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  const head = `{"routing_key":${JSON.stringify(delivery.routing_key)},"headers":${headers}`;
  return `${head},"body":${body},"local_received":${delivery.local_received}}\n`;
}

function warn({ cluster, routing_key, reason }: DeadLetter, log: Logger): void {
  log.warn({ cluster, routing_key, reason }, 'a message could not be decoded');
}
