/** Messages as bytes, and who takes them. */
import type { Changes, FeedMessage } from '../contract/feed.ts';
import type { Position } from '../domain/event.ts';

/** A message, encoded once for all who get it. */
export interface Frame {
  readonly type: FeedMessage['type'];
  /** Where to go on from for who has had it; null where it says nothing of that. */
  readonly cursor: string | null;
  /** It tells of something that has changed since the one before, and was waited for. */
  readonly news: boolean;
  /** JSON. */
  readonly bytes: Buffer;
}

/** Where the frames of one client go: a WebSocket, or an answer over HTTP. */
export interface Sink {
  /** Bytes that wait for the client. */
  readonly backlog: number;
  send(frame: Frame): void;
  /** Resolves when the client has taken all that was sent so far, or is gone. */
  drained(): Promise<void>;
  /** Called at every tick of the hub; ends a client that shows no sign of life. */
  tick(): void;
  /** Sends it away; resolves when it is gone. */
  close(code: number, reason: string): Promise<void>;
}

export function frameOf(message: FeedMessage): Frame {
  const cursor = 'cursor' in message ? message.cursor : null;
  const { type } = message;
  return { type, cursor, news: type === 'reset' || type === 'shutter', bytes: Buffer.from(JSON.stringify(message)) };
}

/** What is to be told, in parts that each end with what makes it longer than `most` characters. One at least, which may be empty. */
export function partsOf<T>(items: readonly T[], lengthOf: (item: T) => number, most: number): T[][] {
  let part: T[] = [];
  let length = 0;
  const parts = [part];
  for (const item of items) {
    if (length > most) {
      part = [];
      length = 0;
      parts.push(part);
    }
    part.push(item);
    length += lengthOf(item);
  }
  return parts;
}

/** A `changes` of which the records and events are JSON already. */
export interface ChangesText {
  readonly from: Position;
  readonly to: Position;
  readonly cursor: string;
  readonly tasks: readonly string[];
  readonly workers: readonly string[];
  readonly gone: Changes['gone'];
  readonly allWorkers: boolean;
  readonly events: readonly string[];
  readonly news: boolean;
}

export function changesFrame(changes: ChangesText): Frame {
  const { from, to, cursor, tasks, workers, gone, allWorkers, events, news } = changes;
  const text = `{"type":"changes","from":${from},"to":${to},"cursor":${JSON.stringify(cursor)},"tasks":[${tasks.join()}],"workers":[${workers.join()}],"gone":${JSON.stringify(gone)},"all_workers":${allWorkers},"events":[${events.join()}]}`;
  return { type: 'changes', cursor, news, bytes: Buffer.from(text) };
}

/** One part of a `snapshot` of which the records are JSON already. */
export function snapshotFrame(
  part: number,
  cursor: string | null,
  tasks: readonly string[],
  workers: readonly string[],
  omitted: number,
): Frame {
  const text = `{"type":"snapshot","part":${part},"last":${cursor !== null},"cursor":${JSON.stringify(cursor)},"tasks":[${tasks.join()}],"workers":[${workers.join()}],"omitted":${omitted}}`;
  return { type: 'snapshot', cursor, news: true, bytes: Buffer.from(text) };
}
