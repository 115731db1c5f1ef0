/** Broker or database away for a while: the beat comes back, and each due time is sent once. */
import { test } from 'vitest';
import { sleep } from '../../src/runtime.ts';
import { addInterval, Beating, expectEachOnce, freshPlace } from '../support/beating.ts';
import { openProxyTo } from '../support/proxy.ts';

const NEVER = new AbortController().signal;

test.each(['broker', 'database'] as const)('the %s is cut off, refuses, and goes silent', async (which) => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const lengths = new Map<number, number>();
  for (const length of [0.2, 0.3, 1])
    lengths.set(await addInterval(knex, length, { name: `every ${length} s` }), length);
  await using proxy = await openProxyTo(which === 'broker' ? vhost.url : database.url);
  const urls = { database: database.url, broker: vhost.url, [which]: proxy.url };
  const beating = await Beating.leading({ ...urls, flags: { heartbeat: '1s' } });
  for (let n = 0; n < 4; n++) {
    await inbox.until(inbox.messages.length + 3);
    proxy.cut();
  }
  await inbox.until(inbox.messages.length + 3);
  const led = beating.next('beat:leading');
  proxy.refuse();
  proxy.cut();
  await sleep(2, NEVER);
  proxy.pass();
  await led;
  await inbox.until(inbox.messages.length + 3);
  const again = beating.next('beat:leading');
  proxy.freeze();
  await beating.next('beat:stepped-down');
  proxy.cut();
  proxy.pass();
  await again;
  await inbox.until(inbox.messages.length + 5);
  await beating.stop();
  await expectEachOnce(place, lengths);
});
