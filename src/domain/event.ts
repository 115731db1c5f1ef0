/** What arrives: Celery events, as received and as recorded. Celery's set of events is open, so an event is a JSON object. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Seconds since the epoch, or a length of time in seconds: Celery's unit, a double. */
export type Seconds = number;

/** A place in the journal: 1, 2, 3, … without holes. `bigint` in Postgres; exact in a double up to 2^53. */
export type Position = number;

/**
 * One event, decoded. Only `type` is sure to be there; every other field is whatever the sender wrote
 * (PROTOCOL: `hostname`, `timestamp`, `utcoffset`, `pid`, `clock`, and by type `uuid`, `name`, `args`, `result`, …).
 */
export interface Event {
  readonly type: string;
  readonly [field: string]: Json;
}

/** An event with where it came from, not yet recorded. */
export interface ReceivedEvent {
  readonly cluster: string;
  /** When this monitor received the message, epoch seconds. */
  readonly local_received: Seconds;
  /** The broker says that it delivered this message before, so the journal may hold it already. */
  readonly redelivered: boolean;
  readonly event: Event;
  /** The event's JSON text, as it is recorded. Parsing it gives `event` again. */
  readonly body: string;
}

/** A message that could not be decoded, kept with its bytes and the reason. */
export interface DeadLetter {
  readonly cluster: string;
  readonly local_received: Seconds;
  /** As of an event: it may have been recorded already. */
  readonly redelivered: boolean;
  readonly routing_key: string;
  readonly content_type: string | null;
  readonly content_encoding: string | null;
  readonly headers: { readonly [name: string]: Json };
  readonly body: Uint8Array;
  /** One sentence: what was wrong and what was expected. */
  readonly reason: string;
}

/** An event as the journal holds it. */
export interface JournalEntry {
  readonly position: Position;
  readonly cluster: string;
  readonly local_received: Seconds;
  readonly event: Event;
  /** The length of its JSON text, where memory has to be kept within `maxTaskBytes`. */
  readonly size?: number;
}
