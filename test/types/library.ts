/** What the compiler makes of the library: `tsc -p .` fails where one of these does not hold. Never run. */
import { expectTypeOf } from 'vitest';
import type { History, LiveFeed, TaskRecord } from '../../src/client/index.ts';
import {
  type CeleryEvent,
  connect,
  isCustom,
  type Json,
  type Monitor,
  type MonitorError,
  type Results,
} from '../../src/index.ts';

expectTypeOf(connect).returns.resolves.toEqualTypeOf<Monitor>();
expectTypeOf<Monitor>().toExtend<AsyncDisposable>();

/** Each case knows the fields of its own type. */
export function told(event: CeleryEvent): unknown {
  switch (event.type) {
    case 'task-sent':
      expectTypeOf(event.queue).toEqualTypeOf<string>();
      return event.queue;
    case 'task-received':
      expectTypeOf(event.name).toEqualTypeOf<string>();
      expectTypeOf(event.root_id).toEqualTypeOf<string | null>();
      // @ts-expect-error: the worker does not tell the queue
      return event.queue;
    case 'task-succeeded':
      expectTypeOf(event.runtime).toEqualTypeOf<number>();
      // @ts-expect-error: there is no exception
      return event.exception;
    case 'task-failed':
    case 'task-retried':
      expectTypeOf(event.exception).toEqualTypeOf<string>();
      return event.traceback;
    case 'task-revoked':
      expectTypeOf(event.signum).toEqualTypeOf<number | string | null>();
      return event.terminated;
    case 'worker-heartbeat':
      expectTypeOf(event.active).toEqualTypeOf<number | undefined>();
      // @ts-expect-error: it is no task
      return event.uuid;
    default:
      return event.local_received;
  }
}

/** Events of one's own may hold anything, and have to be looked at. */
export function custom(event: CeleryEvent): number {
  if (!isCustom(event)) {
    expectTypeOf(event.hostname).toEqualTypeOf<string>();
    return 0;
  }
  expectTypeOf(event['done']).toEqualTypeOf<Json | undefined>();
  expectTypeOf(event.type).toExtend<string>();
  // @ts-expect-error: it may be anything
  const wrong: number = event['done'];
  return typeof event['done'] === 'number' ? event['done'] : wrong;
}

interface Progress {
  readonly type: 'task-progress';
  readonly done: number;
}

/** … unless one says what they hold. */
export async function named(monitor: Monitor): Promise<number> {
  let done = 0;
  for await (const event of monitor.events<Progress>()) {
    if (event.type === 'task-progress') done += event.done;
    if (event.type === 'task-failed') expectTypeOf(event.exception).toEqualTypeOf<string>();
    // @ts-expect-error: the events cannot be changed
    event.type = 'task-progress';
  }
  return done;
}

// @ts-expect-error: an option that there is not
void connect('amqp://', { queu: 'x' });

/** A result may be any JSON, whatever was stored. */
export async function resultOf(results: Results, history: History): Promise<Json> {
  const { result, status, text } = await results.get('id', { wait: 1 });
  expectTypeOf(result).toEqualTypeOf<Json>();
  expectTypeOf(status).toEqualTypeOf<string>();
  expectTypeOf(text).toEqualTypeOf<string | null>();
  const group = await history.group('id', { wait: 5 });
  expectTypeOf(group.children[0]?.result).toEqualTypeOf<Json | undefined>();
  // @ts-expect-error: there may be no such group
  return (await results.restoreGroup('id')).result;
}

/** A feed knows what each of its messages holds, by loop and by listener. */
export async function heard(feed: LiveFeed): Promise<MonitorError | null> {
  let failure: MonitorError | null = null;
  feed.on('failed', (error) => {
    failure = error;
  });
  feed.on('changes', ({ tasks, cursor }) => {
    expectTypeOf(tasks).toEqualTypeOf<TaskRecord[]>();
    expectTypeOf(cursor).toEqualTypeOf<string>();
  });
  // @ts-expect-error: there is no such message
  feed.on('chages', () => undefined);
  for await (const message of feed) {
    if (message.type === 'shutter') expectTypeOf(message.snapshot).toEqualTypeOf<number>();
    // @ts-expect-error: not every message has one
    void message.cursor;
  }
  return failure;
}
