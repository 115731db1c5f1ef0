/** What a `LiveFeed` is asked for, and what it tells. */
import type { FeedMessage, Subscribe } from '../contract/feed.ts';
import type { MonitorError } from '../errors.ts';

/** What to hear of; see the contract's `subscribe`. Nothing asked: all tasks and workers. */
export type FeedSubscription = Pick<Subscribe, 'q' | 'cluster' | 'topics' | 'events' | 'snapshot'>;

export interface LiveFeedOptions extends FeedSubscription {
  /** The cursor of an earlier feed to go on from. */
  readonly after?: string | undefined;
  /** To log in with: each connection is opened with a ticket for it. */
  readonly token?: string | undefined;
  /** Ends the feed, as closing it does. */
  readonly signal?: AbortSignal | undefined;
  /** @default the global WebSocket; in Node 20, which has none, that of the package `ws` */
  readonly WebSocket?: WebSocketClass | undefined;
  /**
   * Messages that may wait for whoever iterates. When there are more the connection is given up until they were taken; what
   * changed meanwhile then comes once for each record.
   * @default 1000
   */
  readonly maxWaiting?: number | undefined;
  /** Milliseconds before the first attempt to connect again, doubled with each. @default 250 */
  readonly backoff?: number | undefined;
  /** The longest of these pauses. @default 15000 */
  readonly maxBackoff?: number | undefined;
  /** Milliseconds without any message after which a connection counts as lost: the server says something every 15 s. @default 45000 */
  readonly patience?: number | undefined;
}

/** As much of a WebSocket as is used: that of browsers, of Node and of `ws`. */
export interface WebSocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: never) => void): void;
}

export type WebSocketClass = new (url: string) => WebSocketLike;

/** Each message under its own name, and what concerns the connection. */
export type LiveFeedEvents = {
  [Type in FeedMessage['type'] as Type extends 'error' ? never : Type]: (
    message: Extract<FeedMessage, { readonly type: Type }>,
  ) => void;
} & {
  /** Every message. */
  message: (message: FeedMessage) => void;
  /** The server did not understand the subscription: what was wrong, and what was expected. */
  refused: (message: Extract<FeedMessage, { readonly type: 'error' }>) => void;
  open: () => void;
  /** The connection is lost, or there was none. It is tried again in so many milliseconds. */
  lost: (at: { readonly reason: string; readonly retryIn: number }) => void;
  /**
   * The feed has ended by itself, since trying again cannot help: QUESTION_REFUSED, the token is not good, or
   * PROTOCOL_UNKNOWN. Whoever iterates has it thrown.
   */
  failed: (error: MonitorError) => void;
  /** Whoever iterates takes messages too slowly, so the connection is given up until all that wait were taken. */
  paused: (at: { readonly waiting: number }) => void;
};
