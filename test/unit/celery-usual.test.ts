/** Usual events, which the `celery` fold copies in one go, leave what they would leave field by field. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Event, Json } from '../../src/domain/event.ts';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';
import { runs } from '../support/effort.ts';

const text = fc.constantFrom<Json[]>(null, '', 'x', "('é',)", 'a', 'b');
const number = fc.constantFrom<Json[]>(null, 0, 1, 2.5);
const call = {
  ...{ name: text, args: text, kwargs: text, root_id: text, parent_id: text },
  ...{ retries: number, eta: text, expires: text },
};
const OWN: Record<string, Record<string, fc.Arbitrary<Json>>> = {
  sent: { ...call, queue: fc.constantFrom('celery', 'other'), exchange: text, routing_key: text },
  received: call,
  started: {},
  succeeded: { result: text, runtime: number },
  failed: { exception: text, traceback: text },
  retried: { exception: text, traceback: text },
  revoked: { terminated: fc.boolean(), signum: number },
};

const usual = fc.constantFrom(...Object.keys(OWN)).chain((subject) =>
  fc.record({
    type: fc.constant(`task-${subject}`),
    uuid: fc.constantFrom('a', 'b', 'c'),
    hostname: fc.constantFrom('w1@h', 'w2@h'),
    pid: fc.constantFrom(1, 2),
    utcoffset: fc.constantFrom(0, -6),
    clock: fc.integer({ min: 1, max: 60 }),
    ...OWN[subject],
    timestamp: fc.integer({ min: 0, max: 40 }).map((n) => 1_700_000_000 + n / 2),
  }),
);
/** Now and then a field is missing, or holds what it should not, or there is another. */
const spoilt = fc
  .tuple(usual, fc.nat(), fc.constantFrom<Json[]>([], 'odd', 7, null, { a: 1 }))
  .map(([event, n, value]) => {
    const fields = Object.keys(event).filter((field) => field !== 'type');
    const field = [...fields, 'more'][n % (fields.length + 1)] as string;
    const { [field]: _, ...others } = event as Record<string, Json>;
    return (n % 2 === 0 ? others : { ...event, [field]: value }) as Event;
  });
const events = fc.array(
  fc.oneof({ weight: 6, arbitrary: usual as fc.Arbitrary<Event> }, { weight: 1, arbitrary: spoilt }),
  {
    maxLength: 40,
    size: 'max',
  },
);

/** `local_received` is a field that Celery's receiver overwrites; an event that brings its own is none of the usual. */
function told(all: readonly Event[], more: { readonly local_received?: number }): unknown {
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 10 }, { fold: 'celery' });
  const kinds: string[] = [];
  for (const event of all) {
    const local_received = 1_700_000_100;
    const position = clusters.position + 1;
    const change = fold(clusters, { position, cluster: 'c', local_received, event: { ...event, ...more } });
    kinds.push(change === null ? '' : change.kind);
  }
  const { tasks, workers, indexes } = stateOf(clusters, 'c');
  return [[...tasks.values()], [...workers.values()], indexes.misfits.size, kinds];
}

test('whatever comes between them', () => {
  fc.assert(
    fc.property(events, (all) => {
      expect(told(all, {})).toEqual(told(all, { local_received: 0 }));
    }),
    { numRuns: runs(1_000) },
  );
});

test.each(Object.keys(OWN))('a field more of task-%s is kept', (subject) => {
  const [event] = fc.sample<{ type: string }>(
    usual.filter(({ type }) => type === `task-${subject}`),
    1,
  );
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 10 }, { fold: 'celery' });
  const change = fold(clusters, {
    position: 1,
    cluster: 'c',
    local_received: 1,
    event: { ...(event as Event), more: 'so' },
  });
  expect(change?.extra?.['more']).toBe('so');
});
