/** Clocks that jump: nothing is sent twice, and nothing stays away for longer than the clock was wrong. */
import { expect, test } from 'vitest';
import { addInterval, Beating, expectEachOnce, freshPlace, runsOf } from '../support/beating.ts';

/** A clock that can be put forward and back, in seconds. */
function oddClock() {
  const odd = { ahead: 0, clock: () => Date.now() / 1000 + odd.ahead };
  return odd;
}

test('a clock that is put back while a beat leads, and one that is behind where the next leads', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const id = await addInterval(knex, 0.5, { name: 'often' });
  const odd = oddClock();
  const options = { database: database.url, broker: vhost.url, clock: odd.clock };
  const first = await Beating.leading(options);
  await inbox.until(6);
  const read = first.next('beat:read');
  odd.ahead = -3;
  await read;
  await inbox.until(inbox.messages.length + 3);
  await first.stop();
  odd.ahead = -6;
  const second = await Beating.leading(options);
  await inbox.until(inbox.messages.length + 3);
  await second.stop();
  await expectEachOnce(place, new Map([[id, 0.5]]));
});

test('a clock that was a year ahead for a while: what was missed by it is passed over, and then all goes on', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const id = await addInterval(knex, 0.5, { name: 'often' });
  const odd = oddClock();
  const beating = await Beating.leading({ database: database.url, broker: vhost.url, clock: odd.clock });
  await inbox.until(3);
  const before = Date.now() / 1000;
  odd.ahead = 365 * 86_400;
  // All that is less than 30 s late there, once.
  await inbox.until(3 + 59);
  odd.ahead = 0;
  await beating.next('beat:read');
  await inbox.until(inbox.messages.length + 4);
  await beating.stop();
  const runs = await runsOf(knex, id);
  const now = Date.now() / 1000;
  const present = runs.filter(({ due_at }) => due_at < now).map(({ due_at }) => due_at);
  expect(present.length).toBeGreaterThan(6);
  for (const [n, due] of present.entries()) expect(due).toBeCloseTo(present[0] + n * 0.5, 4);
  expect(present.at(-1)).toBeGreaterThan(before);
  expect(inbox.messages).toHaveLength(runs.length);
});
