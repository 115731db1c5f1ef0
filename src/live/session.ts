/** One client of the feed, and how far it is. */
import type { Position } from '../domain/event.ts';
import type { Sink } from './frame.ts';
import type { Group, Held } from './group.ts';
import type { Subscription } from './subscription.ts';
import type { Window } from './touched.ts';

export interface Session {
  readonly sink: Sink;
  /** Null until it has said something that could be understood. */
  subscription: Subscription | null;
  /** Among whom it hears of changes as they happen; null while it is brought up to date, or has no subscription. */
  group: Group | null;
  /** Everything up to here was sent. Of no meaning while it has a group. */
  position: Position;
  /** What it holds, where it was sent all of it; see `Group.held`. */
  held: Held | null;
  /** Names the work that brings it up to date: another one, or null, and that work ends. */
  task: object | null;
}

/** Bringing one client up to date. */
export interface Run {
  readonly session: Session;
  readonly subscription: Subscription;
  /** It has gone, or wants something else. */
  readonly isOver: () => boolean;
  /** Tasks that were sent, and the position up to which what was sent is folded. */
  readonly sent: Map<string, Position>;
  /** What is known to have happened and was not told yet, since it would have been too much at a time. */
  rest: Window | null;
}
