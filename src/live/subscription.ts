/** What one client wants to hear of: read from its `subscribe` or its query string, and asked of records and events. */
import type { z } from 'zod';
import { type FeedTopic, type Subscribed, subscribe, subscribeParams } from '../contract/feed.ts';
import type { Position, Seconds } from '../domain/event.ts';
import { compileFilter, type Matches } from '../domain/filter-match.ts';
import { parseFilter } from '../domain/filter-parse.ts';
import { printFilter } from '../domain/filter-print.ts';

export interface Subscription {
  /** As it was understood: equal ones are served as one. */
  readonly told: Omit<Subscribed, 'type' | 'id'>;
  readonly id: string | null;
  readonly topics: ReadonlySet<FeedTopic>;
  /** Null: all tasks. */
  readonly matches: Matches | null;
  /** Where to go on from; null: from now on. */
  readonly after: Cursor | null;
  readonly snapshot: boolean;
}

/** `<epoch>:<position>`. */
export interface Cursor {
  readonly epoch: string;
  readonly position: Position;
}

/** What was wrong with it, and what was expected. */
export interface Misunderstood {
  readonly ok: false;
  readonly id: string | null;
  readonly error: string;
  /** Where in `q`. */
  readonly at: number | null;
}

export type ReadSubscription = { readonly ok: true; readonly subscription: Subscription } | Misunderstood;

/** Reads a frame of a client. @param now for times relative to it in the filter */
export function readFrame(text: string, now: Seconds): ReadSubscription {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return wrong('this is not JSON; expected a message such as {"type":"subscribe","q":"state:FAILURE"}');
  }
  if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'subscribe')
    return wrong('expected an object whose type is "subscribe", the one message that this feed takes', message);
  const read = subscribe.safeParse(message);
  return read.success ? understand(read.data, now) : wrong(sentence(read.error.issues, subscribe), message);
}

/** Reads a query string: the same by parameters. */
export function readParams(params: URLSearchParams, now: Seconds): ReadSubscription {
  const repeated = [...params.keys()].find((name, n, names) => names.indexOf(name) !== n);
  if (repeated !== undefined) return wrong(`the parameter ${repeated} is given twice; expected it once`);
  const read = subscribeParams.safeParse(Object.fromEntries(params));
  return read.success ? understand(read.data, now) : wrong(sentence(read.error.issues, subscribeParams));
}

type Asked = Omit<z.output<typeof subscribe>, 'type'>;

function understand(asked: Asked, now: Seconds): ReadSubscription {
  const { id = null, q = null, cluster = null, after = null, snapshot = false } = asked;
  const topics = new Set<FeedTopic>(asked.topics ?? ['tasks', 'workers']);
  if (asked.events) topics.add('events');
  const kinds = topics.has('events') ? [...new Set(asked.events ?? ['*'])].sort() : [];
  const parsed = parseFilter(q ?? '', now);
  if (!parsed.ok) return { ok: false, id, error: `q: ${parsed.message}`, at: parsed.at };
  const { filter } = parsed;
  const cursor = after === null ? null : parseCursor(after);
  if (after !== null && cursor === null)
    return { ok: false, id, error: 'after: expected a cursor as an earlier message of this feed gave it', at: null };
  const told = { q: filter && printFilter(filter), cluster, topics: [...topics].sort(), events: kinds };
  return {
    ok: true,
    subscription: { told, id, topics, matches: filter && compileFilter(filter), after: cursor, snapshot },
  };
}

function parseCursor(text: string): Cursor | null {
  const [, epoch, digits] = /^(.+):(\d{1,15})$/.exec(text) ?? [];
  return epoch === undefined || digits === undefined ? null : { epoch, position: Number(digits) };
}

/** Whether an event is of one of these kinds: a type, or a beginning with `*`. */
export function isOfKind(type: string, kinds: readonly string[]): boolean {
  return kinds.some((kind) => (kind.endsWith('*') ? type.startsWith(kind.slice(0, -1)) : type === kind));
}

function wrong(error: string, message: unknown = null): Misunderstood {
  const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : null;
  return { ok: false, id: typeof id === 'string' ? id.slice(0, 100) : null, error, at: null };
}

function sentence(issues: readonly z.core.$ZodIssue[], schema: typeof subscribe | typeof subscribeParams): string {
  const [issue] = issues;
  if (issue?.code === 'unrecognized_keys') {
    const names = Object.keys(schema.shape).join(', ');
    return `there is no ${issue.keys.slice(0, 3).join(', ').slice(0, 100)} in a subscription; expected ${names}`;
  }
  const path = issue?.path.join('.') ?? '';
  const message = issue?.code === 'invalid_format' ? `expected ${issue.message}` : issue?.message;
  return `${path}: ${message}`;
}
