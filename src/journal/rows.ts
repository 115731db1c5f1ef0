/** Events and dead letters as rows, and what makes two deliveries the same event. */
import type { DeadLetter, Event, ReceivedEvent, Seconds } from '../domain/event.ts';
import { copyNumber, copyText, isoTime, storableJson, storableKey, storableText } from '../postgres-text.ts';

export const EVENTS = 'events (position, cluster, local_received, type, hostname, "timestamp", uuid, body)';

/** An event as a line for COPY. */
export function eventLine(position: number, received: ReceivedEvent): string {
  const { event } = received;
  const uuid = uuidOf(event);
  const sender = uuid === null ? `${copyText(hostnameOf(event))}\t${copyNumber(timestampOf(event))}` : '\\N\t\\N';
  return `${position}\t${copyText(received.cluster)}\t${received.local_received}\t${copyText(event.type)}\t${sender}\t${copyText(uuid)}\t${copyText(bodyOf(received))}\n`;
}

/** The column `uuid`: the task that an event tells of. */
export function uuidOf(event: Event): string | null {
  const { uuid } = event;
  return typeof uuid === 'string' && event.type.startsWith('task-') ? storableText(uuid) : null;
}

/** The column `hostname`, for events without a task. */
export function hostnameOf(event: Event): string | null {
  return typeof event['hostname'] === 'string' ? storableKey(event['hostname']) : null;
}

export function timestampOf(event: Event | undefined): Seconds | null {
  return typeof event?.['timestamp'] === 'number' ? event['timestamp'] : null;
}

/** Raw control characters in JSON are nothing but space between its parts: as one they need no escape, ever. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant
const SPACE = /[\0-\x1f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const SPACES = /[\0-\x1f]/g;

/** The body as it is stored. */
export function bodyOf({ body }: ReceivedEvent): string {
  return SPACE.test(body) ? body.replace(SPACES, ' ') : body;
}

/**
 * What an event is recognised by: an event has no id, but a process gives each its clock and time.
 * One that lacks them is recognised by its whole text.
 */
export function identityOf(event: Event, body: string): string {
  const { type, uuid, hostname, pid, clock, timestamp } = event;
  const complete = typeof hostname === 'string' && [pid, clock, timestamp].every((part) => typeof part === 'number');
  return complete ? JSON.stringify([type, uuid, hostname, pid, clock, timestamp]) : body;
}

export const DEAD_LETTERS =
  'dead_letters (cluster, received_at, routing_key, content_type, content_encoding, headers, body, reason)';

/** A dead letter as a line for COPY. */
export function deadLetterLine(letter: DeadLetter): string {
  return `${[
    copyText(letter.cluster),
    isoTime(letter.local_received),
    copyText(letter.routing_key),
    copyText(letter.content_type),
    copyText(letter.content_encoding),
    copyText(storableJson(letter.headers)),
    `\\\\x${Buffer.from(letter.body.buffer, letter.body.byteOffset, letter.body.byteLength).toString('hex')}`,
    copyText(letter.reason),
  ].join('\t')}\n`;
}

/** The letter without what may be the cause that Postgres refuses it. */
export function bareLetter(letter: DeadLetter, why: string): DeadLetter {
  return { ...letter, headers: {}, body: new Uint8Array(), reason: `${letter.reason}; not kept itself: ${why}` };
}

/** An event that Postgres refused, as a dead letter. */
export function refusedEvent(received: ReceivedEvent, why: string): DeadLetter {
  return {
    cluster: received.cluster,
    local_received: received.local_received,
    redelivered: received.redelivered,
    routing_key: received.event.type.replaceAll('-', '.'),
    content_type: 'application/json',
    content_encoding: 'utf-8',
    headers: {},
    body: Buffer.from(received.body),
    reason: `Postgres refused the event: ${why}`,
  };
}
