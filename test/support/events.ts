/** Random but plausible event streams for property tests: few tasks, few workers, everything that Celery sends. */
import fc from 'fast-check';
import type { Event } from '../../src/domain/event.ts';

const TYPES = ['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected', 'progress'];
const uuid = fc.integer({ min: 0, max: 12 }).map((n) => `uuid-${n}`);
const hostname = fc.constantFrom('celery@a', 'celery@b', 'celery@c');
/** Texts with all that COPY and jsonb trip over, but nothing that they cannot hold. */
const text = fc.oneof(
  fc.constantFrom('', '\\', '\\N', '\\.', '\t', '\n', '\r\n', '{}', '"', "'", 'a,b', 'ünï ☃ 𝄞', 'NULL'),
  fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => value.replaceAll('\0', '0').toWellFormed()),
);
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 4 });
/** Any but -0, which JSON knows as 0. */
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const seconds = fc.double({ min: 1.79e9, max: 1.8e9, noNaN: true });

const envelope = fc.record({
  hostname,
  timestamp: seconds,
  pid: fc.nat(9),
  clock: fc.nat(1000),
  utcoffset: fc.constant(0),
});

const taskEvent = fc
  .record({
    type: fc.constantFrom(...TYPES).map((subject) => `task-${subject}`),
    uuid,
    envelope,
    more: fc.record(
      {
        name: maybe(text),
        args: maybe(text),
        kwargs: maybe(text),
        result: maybe(text),
        exception: text,
        traceback: text,
        eta: maybe(fc.oneof(text, fc.constant('2026-11-24T12:00:00.123456+02:00'))),
        expires: maybe(text),
        retries: fc.oneof(fc.nat(5), fc.constant('many'), number),
        runtime: number,
        parent_id: fc.constant(null),
        root_id: maybe(uuid),
        queue: text,
        routing_key: text,
        nested: fc.jsonValue({ maxDepth: 2 }).map((json) => JSON.parse(JSON.stringify(json).replaceAll('\\u0000', ''))),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ envelope: base, more, ...rest }): Event => {
    // Each task has one parent and says so now and then. (Another one while the first is unknown is not remembered.)
    const family = 'parent_id' in more ? { parent_id: `uuid-${Number(rest.uuid.slice(5)) >> 1}` } : {};
    return { ...more, ...family, ...base, ...rest } as Event;
  });

const workerEvent = fc
  .record({
    type: fc.constantFrom('worker-online', 'worker-heartbeat', 'worker-offline'),
    envelope,
    more: fc.record(
      {
        freq: fc.constantFrom(2, 5, 60, 'often'),
        active: fc.nat(4),
        processed: fc.nat(1000),
        loadavg: fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { maxLength: 3 }),
        sw_ident: text,
        sw_ver: text,
        sw_sys: maybe(text),
        other: text,
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ envelope: base, more, ...rest }): Event => ({ ...more, ...base, ...rest }) as Event);

/** One event. */
export const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: taskEvent },
  { weight: 2, arbitrary: workerEvent },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('mything'), clock: fc.nat(5) }) as fc.Arbitrary<Event> },
);
