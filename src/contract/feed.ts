/**
 * The messages of the live feed, both ways: JSON text frames on `/live`, the same as server-sent events and NDJSON at
 * `/api/changes`. `docs/live.md` explains them to who writes a client.
 */
import { z } from 'zod';
import { eventRecord, feedTaskRecord, feedWorkerRecord, gapRecord } from './feed-records.ts';

/** Raised when a client that knows the one before would go wrong. */
export const FEED_PROTOCOL = 1;

const position = z.number().int().nonnegative();

/**
 * A place in the feed to go on from, `after=<cursor>`, also after a restart of celerycam. Not to be read: another journal's
 * cursor is refused, not mistaken.
 */
const cursor = z.string().min(1).max(100);

/** What a client may hear of. `snapshots`: that the camera took one. */
export const FEED_TOPICS = ['tasks', 'workers', 'events', 'snapshots'] as const;
const topic = z.enum(FEED_TOPICS);

/** First message: who speaks, and from where. */
export const hello = z.strictObject({
  type: z.literal('hello'),
  protocol: z.literal(FEED_PROTOCOL),
  version: z.string(),
  /** The journal that positions belong to. Another epoch: forget what you know. */
  epoch: z.string(),
  position,
  cursor,
  clusters: z.array(z.string()),
  simulated: z.boolean(),
});

/** What is sent from here on, as it was understood: the answer to `subscribe`. Without one, all tasks and workers. */
export const subscribed = z.strictObject({
  type: z.literal('subscribed'),
  /** That of the `subscribe`; null where there was none. */
  id: z.string().nullable(),
  /** The filter in its canonical text; null: all tasks. */
  q: z.string().nullable(),
  /** Null: all clusters. */
  cluster: z.string().nullable(),
  topics: z.array(topic),
  /** Kinds of events; empty where `events` is not among the topics. */
  events: z.array(z.string()),
});

/**
 * The records that match at present, in parts. With part 0 forget every record that you hold; with the last part you hold
 * them all, and `changes` come on top.
 */
export const snapshot = z.strictObject({
  type: z.literal('snapshot'),
  part: z.number().int().nonnegative(),
  last: z.boolean(),
  /** In the last part: where the feed goes on. */
  cursor: cursor.nullable(),
  tasks: z.array(feedTaskRecord),
  workers: z.array(feedWorkerRecord),
  /** Matching tasks that were left out because there are too many, the oldest ones: ask `/api/tasks` for them. */
  omitted: z.number().int().nonnegative(),
});

/**
 * What the events after `from` up to and with `to` changed: each record as it is at `to`, or later. Never before they are
 * recorded. The `from` of a message is the `to` of the one before; equal where time alone changed something.
 */
export const changes = z.strictObject({
  type: z.literal('changes'),
  from: position,
  to: position,
  cursor,
  tasks: z.array(feedTaskRecord),
  workers: z.array(feedWorkerRecord),
  /** What does not match any more, or is not there any more: forget it, if you hold it. */
  gone: z.strictObject({
    tasks: z.array(z.strictObject({ cluster: z.string(), task_id: z.string() })),
    workers: z.array(z.strictObject({ cluster: z.string(), hostname: z.string() })),
  }),
  /** `workers` is every worker that there is: forget all others. */
  all_workers: z.boolean(),
  /** Topic `events`: the events themselves, each once, in the order of their positions. */
  events: z.array(eventRecord),
});

/** What was asked for up to here has been sent; from now on changes come as they happen. */
export const live = z.strictObject({ type: z.literal('live'), position, cursor });

/** You read too slowly: nothing more is sent until you have read all this, then what changed meanwhile, each record once. */
export const behind = z.strictObject({
  type: z.literal('behind'),
  /** Bytes that wait for you. */
  buffered: z.number().int(),
});

/** Why what changed after a cursor cannot be told. */
export const RESET_REASONS = {
  epoch: 'the cursor belongs to another journal',
  pruned: 'the journal does not reach back to the cursor any more',
  future: 'the cursor lies beyond the end of the journal, which must have been set back',
  'too-much': 'more events were recorded since the cursor than are gone through',
} as const;

/** Forget what you hold and fetch anew: what changed after your cursor cannot be told. The feed goes on from this one. */
export const reset = z.strictObject({
  type: z.literal('reset'),
  reason: z.enum(Object.keys(RESET_REASONS) as [ResetReason, ...ResetReason[]]),
  /** For a person. */
  message: z.string(),
  position,
  cursor,
});

/** Topic `snapshots`: the camera took one, which is now in the database. */
export const shutter = z.strictObject({
  type: z.literal('shutter'),
  snapshot: z.number().int(),
  position,
  tasks: z.number().int(),
  workers: z.number().int(),
  /** How long it took. */
  seconds: z.number(),
});

/** celerycam itself may have missed events, and has recorded so. Nothing is missing in the feed; see `/api/gaps`. */
export const missed = z.strictObject({ type: z.literal('missed'), gap: gapRecord });

/** What you sent was not understood and changed nothing. After too many of them the connection is closed (1008). */
export const feedError = z.strictObject({
  type: z.literal('error'),
  /** That of the message, where it could be read. */
  id: z.string().nullable(),
  /** What was wrong, and what was expected. */
  error: z.string(),
  /** For a filter: at which character of `q`, from 0. */
  at: z.number().int().nullable(),
});

export const feedMessage = z.discriminatedUnion('type', [
  ...[hello, subscribed, snapshot, changes, live, behind, reset, shutter, missed, feedError],
] as const);

/** An event's type, or its beginning and a `*`. */
const kind = z
  .string()
  .regex(/^[^*]{0,100}\*?$/, 'an event type such as task-failed, or a beginning with * such as worker-*');

const subscription = {
  /** Filter of tasks, and of the events of tasks; see docs/filters.md. */
  q: z.string().max(4000).nullable().optional(),
  cluster: z.string().nullable().optional(),
  topics: z.array(topic).max(FEED_TOPICS.length).optional(),
  /** Kinds of events; given, they make `events` a topic. */
  events: z.array(kind).max(50).optional(),
  /** Go on after this place. */
  after: cursor.nullable().optional(),
  /** Begin with the records that match at present; with `after`, only where one cannot go on from there. */
  snapshot: z.boolean().optional(),
};

/** The one message of a client: what it wants to hear of from now on. What is absent has its default: all tasks, all workers. */
export const subscribe = z.strictObject({
  type: z.literal('subscribe'),
  /** Comes back with the answer. */
  id: z.string().max(100).optional(),
  ...subscription,
});

/** A text with commas as a list; empty: no element. */
const list = z.string().transform((text) => (text === '' ? [] : text.split(',')));

/** The same by query parameters, of `/live` and `/api/changes`. Lists are separated by commas. */
export const subscribeParams = z.strictObject({
  ...subscription,
  topics: list.pipe(z.array(topic)).optional(),
  events: list.pipe(subscription.events.unwrap()).optional(),
  snapshot: z.stringbool().optional(),
});

type ResetReason = keyof typeof RESET_REASONS;
export type FeedTopic = z.output<typeof topic>;
export type Hello = z.output<typeof hello>;
export type Subscribed = z.output<typeof subscribed>;
export type FeedSnapshot = z.output<typeof snapshot>;
export type Changes = z.output<typeof changes>;
export type Live = z.output<typeof live>;
export type Behind = z.output<typeof behind>;
export type FeedReset = z.output<typeof reset>;
export type Shutter = z.output<typeof shutter>;
export type Missed = z.output<typeof missed>;
export type FeedError = z.output<typeof feedError>;
export type FeedMessage = z.output<typeof feedMessage>;
export type Subscribe = z.output<typeof subscribe>;
