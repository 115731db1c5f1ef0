/** Real Celery workers that go away in the middle of a task: killed, and shut down in order. */
import { expect, test } from 'vitest';
import { clusterAnswer } from '../../src/contract/api.ts';
import { CeleryApp } from '../support/celery-app.ts';
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
