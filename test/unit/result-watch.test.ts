import { expect, test } from 'vitest';
import { type Answer, answer } from '../../src/answer.ts';
import { MonitorError } from '../../src/errors.ts';
import { ResultWatch } from '../../src/store/result-watch.ts';

/** A watch over tasks that end when they are told to, and what it asked. */
function watching(fail = false) {
  const ended = new Set<string>();
  const asked: (readonly string[])[] = [];
  const stop = new AbortController();
  const ready = async (ids: readonly string[]): Promise<Answer<ReadonlySet<string>>> => {
    asked.push(ids);
    if (fail) throw new MonitorError('DATABASE_UNREACHABLE', 'gone');
    return answer(new Set(ids.filter((id) => ended.has(id))));
  };
  const watch = new ResultWatch(ready);
  const running = watch.run(stop.signal).catch(() => undefined);
  const close = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return { watch, ended, asked, [Symbol.asyncDispose]: close };
}

const never = new AbortController().signal;

test('all who wait are asked about at once, and nobody is asked while none waits', async () => {
  await using of = watching();
  const { watch, ended, asked } = of;
  ended.add('a').add('b').add('c');
  await Promise.all([watch.until(['a'], 60, never), watch.until(['b', 'c'], 60, never), watch.until([], 60, never)]);
  expect(asked).toEqual([['a', 'b', 'c']]);
  await watch.until(['a'], 60, never);
  expect(asked).toHaveLength(2);
});

test('who waits for several is done when the last has ended', async () => {
  await using of = watching();
  const { watch, ended, asked } = of;
  ended.add('a');
  const both = watch.until(['a', 'b'], 60, never);
  await watch.until(['a'], 60, never);
  ended.add('b');
  await both;
  expect(asked.at(-1)).toEqual(['b']);
});

test('a time that is over, and a signal, end the waiting', async () => {
  await using of = watching();
  const { watch } = of;
  const start = performance.now();
  await watch.until(['x'], 0.2, never);
  expect(performance.now() - start).toBeGreaterThanOrEqual(195);
  await watch.until(['x'], 60, AbortSignal.abort());
  const gone = new AbortController();
  const waiting = watch.until(['x'], 60, gone.signal);
  gone.abort();
  await waiting;
});

test('a database that is gone ends nobody’s waiting before its time', async () => {
  await using of = watching(true);
  await of.watch.until(['x'], 0.3, never);
  expect(of.asked.length).toBeGreaterThan(1);
});

test('too many are told to come back, and places are given free', async () => {
  await using of = watching();
  const { watch, ended } = of;
  const waiting = Array.from({ length: 1000 }, (_, n) => watch.until([`${n}`], 60, never));
  const refused = await watch.until(['one more'], 60, never).catch((error: unknown) => error);
  expect(MonitorError.is(refused, 'API_BUSY')).toBe(true);
  for (let n = 0; n < 1000; n++) ended.add(`${n}`);
  await Promise.all(waiting);
  ended.add('one more');
  await watch.until(['one more'], 60, never);
});
