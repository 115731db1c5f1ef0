/** Real Celery workers that go away in the middle of a task: killed, and shut down in order. */
import { expect, test } from 'vitest';
import { clusterAnswer } from '../../src/contract/api.ts';
import { CeleryApp } from '../support/celery-app.ts';
import { openProxyTo } from '../support/proxy.ts';
import { openSender } from '../support/receiving.ts';
import { Running } from '../support/running.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

test('what a killed worker was executing is orphaned; in a warm shutdown it is finished', async () => {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  await using running = new Running({ broker: [vhost.url], database: database.url, fold: 'strict' });
  await running.next('receiver:ready');
  const rows = async () =>
    running.query(`select w.status, w.reason, t.state, t.orphaned_reason from celerycam.task_states t
      join celerycam.worker_states w on w.cluster = t.cluster and w.hostname = t.worker order by w.hostname`);
  const shows = (expected: readonly unknown[]) => async () => JSON.stringify(await rows()) === JSON.stringify(expected);

  await using app = new CeleryApp(vhost.url);
  const executing = { status: 'ONLINE', reason: null, state: 'STARTED', orphaned_reason: null };
  const finished = { status: 'OFFLINE', reason: 'goodbye', state: 'SUCCESS', orphaned_reason: null };
  const stop = await app.startWorker('first@test', 1);
  await app.call('sleep', 4);
  await running.until('the first task', shows([executing]));
  await stop();
  await running.until('the end of the first worker', shows([finished]));

  await app.startWorker('second@test', 1);
  await app.call('sleep', 600);
  await running.until('the second task', shows([finished, executing]));
  await app[Symbol.asyncDispose]();
  const lost = { status: 'OFFLINE', reason: 'lost', state: 'STARTED', orphaned_reason: 'lost' };
  await running.until('the second worker to be lost', shows([finished, lost]));
  const answer = clusterAnswer.parse(await (await fetch(`${running.url}/api/cluster`)).json());
  expect(answer).toMatchObject({ workers: { ONLINE: 0, SUSPECT: 0, OFFLINE: 2 }, orphaned: 1, capture: { lost: 0 } });
});

test('while the connection is down, and until it could be heard for long enough, nobody is called late', async () => {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  await using proxy = await openProxyTo(vhost.url);
  await using running = new Running({ broker: [proxy.url], database: database.url, fold: 'strict' });
  await running.next('receiver:ready');
  await using sender = await openSender(vhost.url);
  const beat = { type: 'worker-heartbeat', hostname: 'w@h', pid: 1, clock: 1, freq: 2, active: 0, processed: 0 };
  await sender.send([{ ...beat, timestamp: Date.now() / 1000, utcoffset: 0 }], 'worker.heartbeat');
  const workers = async () => running.query('select hostname, status from celerycam.worker_states');
  await running.until('the worker', async () => (await workers()).length > 0);
  proxy.refuse();
  proxy.cut();
  // Each attempt waits twice as long: these take six seconds, and the worker would be late after four.
  for (let n = 0; n < 6; n++) await running.next('receiver:lost');
  const answer = await fetch(`${running.url}/api/cluster`);
  expect(clusterAnswer.parse(await answer.json()).workers).toEqual({ ONLINE: 1, SUSPECT: 0, OFFLINE: 0 });
  expect(await workers()).toEqual([{ hostname: 'w@h', status: 'ONLINE' }]);
  const ready = running.next('receiver:ready');
  proxy.pass();
  await ready;
  await running.until('the worker to be late', async () => (await workers())[0]?.['status'] === 'SUSPECT');
});
