import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Fact, Process } from '../../src/domain/fact.ts';
import { createLife, factsOf, type Life, live } from '../../src/domain/life.ts';
import { runs } from '../support/effort.ts';
import { SUBJECTS } from '../support/lives.ts';

const process = (n: number): Process => ({ hostname: `w${n % 2}@host`, pid: n, key: `w${n % 2}@host ${n}` });

type Draft = { subject: string; p: number; clock: number; timestamp: number; terminated: boolean };
const draft = fc.record({
  subject: fc.constantFrom(...SUBJECTS),
  p: fc.integer({ min: 0, max: 3 }),
  clock: fc.integer({ min: 0, max: 12 }),
  timestamp: fc.integer({ min: 0, max: 10 }),
  terminated: fc.boolean(),
});

function factOf(d: Draft): Fact {
  const key = d.clock === 0 ? `${process(d.p).key}?` : process(d.p).key;
  return {
    subject: d.subject,
    process: { ...process(d.p), key },
    clock: d.clock,
    timestamp: d.timestamp,
    arrived: 0,
    call: null,
    said: { extra: { terminated: d.terminated } },
  };
}

function shape(life: Life): unknown {
  const name = (f: Fact | null): string | null =>
    f && `${f.subject} ${f.process.key} ${f.clock} ${f.timestamp} ${f.said?.extra?.terminated}`;
  return {
    sent: name(life.sent),
    attempts: life.attempts.map((a) => [
      a.process?.key ?? null,
      name(a.received),
      name(a.started),
      name(a.custom),
      name(a.end),
    ]),
    facts: factsOf(life).map(name),
  };
}

function fold(drafts: readonly Draft[]): unknown {
  const life = createLife();
  for (const d of drafts) live(life, factOf(d));
  return shape(life);
}

test('the record is a function of the set of events', () => {
  fc.assert(
    fc.property(
      // One identity, one content: two different events of one process never share clock, time and type.
      fc
        .uniqueArray(draft, { maxLength: 14, selector: (d) => `${d.subject} ${d.p} ${d.clock} ${d.timestamp}` })
        .chain((ds) => fc.tuple(fc.constant(ds), fc.shuffledSubarray([...ds, ...ds], { minLength: ds.length * 2 }))),
      ([ds, shuffledTwice]) => {
        expect(fold(shuffledTwice)).toEqual(fold(ds));
      },
    ),
    { numRuns: runs(20000) },
  );
});
