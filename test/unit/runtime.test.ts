import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sleep } from '../../src/runtime.ts';

test('a month is waited for, though no timer of Node can wait so long', async () => {
  const end = new AbortController();
  const woken = sleep(31 * 86_400, end.signal).then(
    () => 'at once',
    () => 'aborted',
  );
  expect(await Promise.race([woken, delay(100, 'asleep')])).toBe('asleep');
  end.abort();
  expect(await woken).toBe('aborted');
});
