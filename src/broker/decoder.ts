/** Deliveries to events: the one place where bytes from outside become values. Nothing that arrives makes it throw. */
import type { DeadLetter, Event, Json, ReceivedEvent } from '../domain/event.ts';
import { cutList, type Parsed, parseJson, toJson, Undecodable } from '../python-json.ts';
import { readContent } from './content.ts';
import type { Delivery } from './delivery.ts';

/** A list of more elements is refused as a whole. Workers send some dozens. */
const MAX_ELEMENTS = 100_000;

/** Wrong elements of one list that become dead letters of their own; of more than that the message does. */
const MAX_WRONG = 100;

/** What a part may take in memory before the next one begins, and what an event takes beside its text, in bytes. */
const PART = 16_000_000;
const OVERHEAD = 400;

export interface Decoded {
  /** In the order of arrival; the elements of a list body in the order of the list. */
  readonly events: readonly ReceivedEvent[];
  /** Messages, or single elements of lists, that are no events. */
  readonly deadLetters: readonly DeadLetter[];
}

/**
 * Decodes a batch. A body is one event or a list of events (Celery 4.0+, routing key `task.multi`; an empty list is fine
 * and yields nothing). An event is a JSON object with a string `type`; all else becomes a dead letter with its reason, and
 * of a list only the element that is wrong.
 *
 * Promises for every event: `JSON.parse(body)` gives `event` again (up to the sign of zero), and `body` is valid
 * Unicode without NUL (both live on in it as JSON escapes), so that a PostgreSQL text column can hold it. Marked forms: see `toJson`.
 */
export function decode(batch: readonly Delivery[]): Decoded {
  const events: ReceivedEvent[] = [];
  const deadLetters: DeadLetter[] = [];
  for (const delivery of batch) decodeInto(delivery, events, deadLetters);
  return { events, deadLetters };
}

/** The same in parts, nearly always one, so that memory stays bounded whatever a batch unfolds to. */
export function* decodeParts(
  batch: readonly Delivery[],
): Generator<Decoded & { readonly deliveries: readonly Delivery[] }, void, undefined> {
  let from = 0;
  let size = 0;
  let part: { events: ReceivedEvent[]; deadLetters: DeadLetter[] } = { events: [], deadLetters: [] };
  for (const [n, delivery] of batch.entries()) {
    const { events, deadLetters } = part;
    let counted = events.length;
    decodeInto(delivery, events, deadLetters);
    for (; counted < events.length; counted++) size += (events[counted]?.body.length ?? 0) + OVERHEAD;
    if (size < PART && n + 1 < batch.length) continue;
    yield { ...part, deliveries: batch.slice(from, n + 1) };
    from = n + 1;
    size = 0;
    part = { events: [], deadLetters: [] };
  }
}

function decodeInto(delivery: Delivery, events: ReceivedEvent[], deadLetters: DeadLetter[]): void {
  const { cluster, local_received, redelivered } = delivery;
  try {
    const body = readBody(delivery);
    if (!Array.isArray(body)) {
      if (!isEvent(body.value)) throw new Undecodable(`the body is ${notAnEvent(body.value)}`);
      events.push({ cluster, local_received, redelivered, event: body.value, body: body.text });
      return;
    }
    const wrong: Parsed[] = [];
    for (const element of body) {
      const { value, text } = element;
      if (isEvent(value)) events.push({ cluster, local_received, redelivered, event: value, body: text });
      else wrong.push(element);
    }
    deadLetters.push(...lettersOf(delivery, wrong));
  } catch (error) {
    deadLetters.push(deadLetter(delivery, delivery.body, reasonFor(error)));
  }
}

/** What is wrong with a list: nothing, some of its elements, or so many of them that it is kept whole. */
function lettersOf(delivery: Delivery, wrong: readonly Parsed[]): DeadLetter[] {
  const [first] = wrong;
  if (first === undefined) return [];
  if (wrong.length > MAX_WRONG) {
    const reason = `${wrong.length} elements of the list are no events; the first is ${notAnEvent(first.value)}`;
    return [deadLetter(delivery, delivery.body, reason)];
  }
  return wrong.map(({ value, text }) =>
    deadLetter(delivery, Buffer.from(text), `an element of the list is ${notAnEvent(value)}`),
  );
}

/** The one value of a body, or the elements of its list. */
function readBody(delivery: Delivery): Parsed | Parsed[] {
  const content = readContent(delivery);
  if ('value' in content) return elementsOf({ value: content.value, text: JSON.stringify(content.value) });
  const cut = cutList(content.text);
  if (cut !== null) {
    refuseLong(cut.length);
    try {
      return cut.map(parseJson);
    } catch {
      // Cut in the wrong place, or not JSON at all: reading the whole text tells.
    }
  }
  return elementsOf(parseJson(content.text));
}

function elementsOf(body: Parsed): Parsed | Parsed[] {
  if (!Array.isArray(body.value)) return body;
  refuseLong(body.value.length);
  return body.value.map((value: Json) => ({ value, text: JSON.stringify(value) }));
}

function refuseLong(length: number): void {
  if (length <= MAX_ELEMENTS) return;
  throw new Undecodable(`the list holds ${length} elements; expected ${MAX_ELEMENTS} at most`);
}

export function isEvent(value: Json): value is Event {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && typeof (value as Event).type === 'string'
  );
}

/** What a value is that is no event, and what was expected. */
export function notAnEvent(value: Json): string {
  const expected = 'expected an event: an object with a string "type"';
  if (value === null) return `null; ${expected}`;
  if (Array.isArray(value)) return `a list; ${expected}`;
  if (typeof value !== 'object') return `a ${typeof value}; ${expected}`;
  return Object.hasOwn(value, 'type')
    ? `an object whose "type" is no string; ${expected}`
    : `an object without "type"; ${expected}`;
}

function reasonFor(error: unknown): string {
  if (error instanceof Undecodable) return error.message;
  // A body that overflows the stack or the longest string of a library is refused like any other.
  return `the body cannot be decoded (${error instanceof Error ? error.name : 'unknown reason'})`;
}

function deadLetter(delivery: Delivery, body: Uint8Array, reason: string): DeadLetter {
  const { cluster, local_received, redelivered, routing_key, content_type, content_encoding } = delivery;
  return {
    cluster,
    local_received,
    redelivered,
    routing_key,
    content_type: content_type ?? null,
    content_encoding: content_encoding ?? null,
    headers: headersOf(delivery.headers),
    body,
    reason,
  };
}

function headersOf(headers: Delivery['headers']): DeadLetter['headers'] {
  try {
    return toJson(headers) as DeadLetter['headers'];
  } catch {
    return {};
  }
}
