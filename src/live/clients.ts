/**
 * Who is connected, and what goes to whom. Clients of equal subscriptions are a group, to which a message is written as the
 * same bytes. A client that cannot keep up leaves its group.
 */
import type { Shutter } from '../contract/feed.ts';
import type { Position } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import { type Frame, frameOf } from './frame.ts';
import { Group } from './group.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

/** Ticks without a message after which a group is told that nothing has changed. */
const QUIET_TICKS = 15;

export interface ClientsOptions {
  /** Bytes that may wait for one client. */
  readonly maxBuffered: number;
  /** Takes a client that has left its group because it reads too slowly. */
  readonly onBehind: (session: Session, subscription: Subscription) => void;
}

export class Clients {
  readonly #options: ClientsOptions;
  readonly #sessions = new Set<Session>();
  readonly #groups = new Map<string, Group>();

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Those whose clients are up to date. */
  get groups(): Iterable<Group> {
    return this.#groups.values();
  }

  get hasGroups(): boolean {
    return this.#groups.size > 0;
  }

  has(session: Session): boolean {
    return this.#sessions.has(session);
  }

  add(session: Session): void {
    this.#sessions.add(session);
  }

  /** It is gone. */
  delete(session: Session): void {
    this.leaveGroup(session);
    this.#sessions.delete(session);
  }

  /** Whether somebody asks for events. */
  wantEvents(): boolean {
    return [...this.#sessions].some(({ subscription }) => subscription?.topics.has('events'));
  }

  /** A client is up to date, up to `position`, and hears of changes as they happen. */
  join(session: Session, position: Position, cursor: string): void {
    const { subscription, held } = session;
    if (!subscription || !this.#sessions.has(session)) return;
    const key = JSON.stringify([subscription.told, held !== null]);
    let group = this.#groups.get(key);
    if (!group) {
      group = new Group(subscription, position, held);
      this.#groups.set(key, group);
    } else if (held) group.held?.addAll(held);
    group.members.add(session);
    session.group = group;
    session.held = null;
    session.sink.send(frameOf({ type: 'live', position, cursor }));
  }

  /** It wants something else, or is behind: what is under way to bring it up to date ends, too. */
  leaveGroup(session: Session): void {
    const { group } = session;
    session.task = null;
    session.group = null;
    if (!group) return;
    group.members.delete(session);
    if (group.members.size > 0) return;
    for (const [key, each] of this.#groups) if (each === group) this.#groups.delete(key);
  }

  /** @param before up to where the members were told everything before */
  send(group: Group, frame: Frame, before: Position): void {
    for (const session of group.members) {
      const { sink } = session;
      if (sink.backlog <= this.#options.maxBuffered) {
        sink.send(frame);
        continue;
      }
      this.#leaveBehind(session, group.subscription, before);
    }
  }

  /** Those who hear of events are brought up to date: events have happened of which the hub cannot tell. */
  overtake(): void {
    for (const { subscription, position, members } of [...this.#groups.values()]) {
      if (!subscription.topics.has('events')) continue;
      for (const session of [...members]) this.#leaveBehind(session, subscription, position);
    }
  }

  #leaveBehind(session: Session, subscription: Subscription, position: Position): void {
    const { sink } = session;
    this.leaveGroup(session);
    session.position = position;
    session.held = null;
    sink.send(frameOf({ type: 'behind', buffered: sink.backlog }));
    this.#options.onBehind(session, subscription);
  }

  /** Finds out those that went away without a word. */
  tick(): void {
    for (const { sink } of this.#sessions) sink.tick();
  }

  /** Says to those who have heard nothing for a while that nothing has changed. To be called at every tick. */
  reassure(position: Position, cursor: string): void {
    for (const group of this.#groups.values()) {
      group.quiet += 1;
      if (group.quiet >= QUIET_TICKS) this.send(group, group.idle(position, cursor), position);
    }
  }

  tellShutter({ snapshot, position, tasks, workers, seconds }: Omit<Shutter, 'type'>): void {
    const frame = frameOf({ type: 'shutter', snapshot, position, tasks, workers, seconds });
    for (const group of this.#groups.values())
      if (group.subscription.topics.has('snapshots')) this.send(group, frame, group.position);
  }

  /** Concerns everybody, whatever they ask for. Who cannot take it finds it at `/api/gaps`. */
  tellGap(gap: Gap): void {
    const frame = frameOf({ type: 'missed', gap });
    for (const { sink, subscription } of this.#sessions) {
      const { cluster } = subscription?.told ?? { cluster: null };
      if (cluster !== null && cluster !== gap.cluster) continue;
      if (sink.backlog <= this.#options.maxBuffered) sink.send(frame);
    }
  }

  /** Sends everybody away; resolves when they are gone. */
  async close(code: number, reason: string): Promise<void> {
    await Promise.all(Array.from(this.#sessions, ({ sink }) => sink.close(code, reason)));
  }
}
