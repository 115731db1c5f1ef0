/** Arbitrary events as Celery might see them: plausible ones, strange ones, and what its own code chokes on. */
import fc from 'fast-check';
import type { Event, Json } from '../../src/domain/event.ts';

const T0 = 1_700_000_000;

/** What senders put where it does not belong. */
const strange: fc.Arbitrary<Json> = fc.constantFrom<Json[]>(
  null,
  0,
  1,
  7.5,
  true,
  false,
  '',
  'odd',
  [],
  [1, null],
  {},
  { a: { b: [] } },
);

/** The same for names of things; true and 1 are the same name to Python, which is no matter. */
const strangeName = fc.constantFrom<Json[]>(null, 0, 7.5, '', 'odd', [], [1], {}, { a: 1 });

/** Mostly what is right, sometimes what is not. */
function mostly(right: fc.Arbitrary<Json>, wrong: fc.Arbitrary<Json> = strange): fc.Arbitrary<Json> {
  return fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: wrong });
}

const uuids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const hosts = fc.constantFrom('w1@h', 'w2@h', 'w3@é');
const seconds = fc.integer({ min: 0, max: 40 }).map((n) => T0 + n / 2);
const short = fc.constantFrom('x', 'y', "('é',)", '{}', '');

const envelope = {
  hostname: mostly(hosts, strangeName),
  timestamp: mostly(seconds, fc.constantFrom<Json[]>(null, 0, 'soon', [], {})),
  utcoffset: mostly(fc.constantFrom(0, 0, -6, 5), fc.constantFrom<Json[]>(null, true, 'east', 0.5)),
  pid: mostly(fc.integer({ min: 1, max: 3 }), fc.constantFrom<Json[]>(null, true, 'odd', 7.5)),
  clock: mostly(fc.integer({ min: 1, max: 60 }), fc.constantFrom<Json[]>(null, true, 'abc', 2.5, [])),
};

const taskFields = {
  uuid: mostly(uuids, strangeName),
  name: mostly(fc.constantFrom('app.add', 'Zeta', 'été')),
  args: mostly(short),
  kwargs: mostly(short),
  root_id: mostly(uuids, strangeName),
  parent_id: mostly(fc.oneof(uuids, fc.constant(null)), strangeName),
  retries: mostly(fc.integer({ min: 0, max: 3 })),
  eta: mostly(fc.constantFrom(null, '2023-11-14T22:13:20+00:00')),
  expires: mostly(fc.constantFrom(null, '2023-11-14T22:13:20+00:00')),
  result: mostly(short),
  runtime: mostly(fc.constantFrom(0.5, 2, 3.25)),
  exception: mostly(short),
  traceback: mostly(short),
  exchange: mostly(short),
  routing_key: mostly(short),
};

/** Names that mean something to Celery's objects, to JavaScript's, or to nobody. */
const oddNames = fc.constantFrom(
  'id',
  'state',
  'sent',
  'received',
  'started',
  'client',
  'worker',
  'alive',
  'ready',
  'status_string',
  'heartbeat_expires',
  'heartbeats',
  'local_received',
  'queue',
  'terminated',
  'extra',
  'kind',
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'freq',
  '',
  'é',
);

const TASK_TYPES = ['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected'];
const taskTypes = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...TASK_TYPES) },
  { weight: 2, arbitrary: fc.constantFrom('progress', 'retry', 'success', 'Mixed-Case', 'Received', '', 'straße') },
);

function record(
  fields: Record<string, fc.Arbitrary<Json>>,
  required: readonly string[],
): fc.Arbitrary<[string, Json][]> {
  return fc
    .record(fields, { requiredKeys: [...required] })
    .map((object) => Object.entries(object as Record<string, Json>));
}

const odd = fc.array(fc.tuple(oddNames, fc.oneof(strange, short, seconds)), { maxLength: 2 });

/** Of entries in any order, names only once: as JSON.parse makes it, where `__proto__` is a name like any other. */
function eventOf(type: string, entries: readonly (readonly [string, Json])[]): Event {
  const named = new Map<string, Json>([...entries, ['type', type]]);
  return Object.fromEntries(named) as Event;
}

function eventsOf(types: fc.Arbitrary<string>, entries: fc.Arbitrary<[string, Json][]>): fc.Arbitrary<Event> {
  return fc
    .tuple(types, entries, odd)
    .chain(([type, usual, more]) =>
      fc
        .shuffledSubarray([...usual, ...more], { minLength: usual.length + more.length })
        .map((all) => eventOf(type, all)),
    );
}

const REQUIRED = ['hostname', 'timestamp', 'pid', 'clock', 'utcoffset'];

/** Mostly complete, so that much happens. */
const taskEvents = eventsOf(
  taskTypes.map((subject) => `task-${subject}`),
  fc.oneof(
    { weight: 8, arbitrary: record({ ...envelope, ...taskFields }, [...REQUIRED, 'uuid']) },
    { weight: 2, arbitrary: record({ ...envelope, ...taskFields }, []) },
  ),
);

const workerEvents = eventsOf(
  fc.constantFrom('online', 'heartbeat', 'heartbeat', 'offline', 'note', 'elect', '').map((s) => `worker-${s}`),
  record(
    {
      ...envelope,
      freq: mostly(fc.constantFrom(2, 5, 30)),
      active: mostly(fc.integer({ min: 0, max: 4 })),
      processed: mostly(fc.integer({ min: 0, max: 9 })),
      loadavg: mostly(fc.constantFrom([0.1, 0.2, 0.3]), fc.constantFrom<Json[]>([1, 'x'], 'high', null)),
      sw_ident: mostly(short),
      sw_ver: mostly(short),
      sw_sys: mostly(short),
    },
    ['hostname', 'timestamp'],
  ),
);

const otherEvents = eventsOf(
  fc.constantFrom('deploy', 'custom-thing', '', '-', 'Task-received', 'task', 'worker'),
  record(envelope, []),
);

/** One event. */
const events: fc.Arbitrary<Event> = fc.oneof(
  { weight: 12, arbitrary: taskEvents },
  { weight: 4, arbitrary: workerEvents },
  { weight: 1, arbitrary: otherEvents },
);

/** An event with the moment at which it was received. */
export const received: fc.Arbitrary<readonly [Event, number]> = fc.tuple(
  events,
  fc.oneof({ weight: 12, arbitrary: seconds }, { weight: 1, arbitrary: fc.constant(0) }),
);
