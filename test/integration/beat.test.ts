import { expect, test } from 'vitest';
import { createSender } from '../../src/beating.ts';
import { loadConfig } from '../../src/config.ts';
import { periodicRun } from '../../src/contract/periodic.ts';
import { addInterval, Beating, freshPlace, runsOf } from '../support/beating.ts';

test('a task every half second is sent, each time once, and counted', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const id = await addInterval(knex, 0.5, { name: 'often', args: '[1, 2]', kwargs: '{"a": 12345678901234567890}' });
  const beating = await Beating.leading({ database: database.url, broker: vhost.url });
  await inbox.until(5);
  await beating.stop();
  const runs = await runsOf(knex, id);
  expect(runs.map(({ task_id }) => task_id)).toEqual(
    inbox.messages.map(({ properties }) => properties.headers?.['id']),
  );
  const [first] = runs;
  for (const [n, { due_at, sent_at, outcome, missed }] of runs.entries()) {
    expect(due_at).toBeCloseTo(first.due_at + n * 0.5, 5);
    expect(sent_at - due_at).toBeLessThan(0.5);
    expect([outcome, missed]).toEqual(['sent', 0]);
  }
  const task = await knex('djcelery_periodictask').where({ id }).first();
  expect(task.total_run_count).toBe(runs.length);
  expect(task.last_run_at.getTime() / 1000).toBeCloseTo(runs.at(-1).sent_at, 2);
  expect(inbox.messages[0]?.content.toString()).toBe(
    '[[1, 2], {"a": 12345678901234567890}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
  );
});

test('sent by hand: without a beat, also where it is disabled; it counts for nothing', async () => {
  await using place = await freshPlace();
  const { knex, inbox, vhost } = place;
  const id = await addInterval(knex, 3600, { name: 'seldom', args: '[1, 2]', enabled: false });
  const missing = await addInterval(knex, 3600, { name: 'nowhere', queue: 'no-such-queue' });
  const wrong = await addInterval(knex, 3600, { name: 'wrong', exchange: 'no-such-exchange' });
  const unfit = await addInterval(knex, 3600, { name: 'unfit', args: '{' });
  const sendNow = createSender(loadConfig({ broker: [vhost.url] }, {}), knex);
  const { signal } = new AbortController();
  const run = await sendNow(id, signal);
  await inbox.until(1);
  expect(run).toMatchObject({ periodic_task: id, due_at: null, outcome: 'sent', missed: 0, reason: null });
  expect(inbox.messages[0]?.properties.headers?.['id']).toBe(run?.task_id);
  expect(periodicRun.parse(run)).toEqual(run);
  expect(await sendNow(missing, signal)).toMatchObject({
    outcome: 'unroutable',
    reason: 'there is no queue "no-such-queue"',
  });
  expect(await sendNow(wrong, signal)).toMatchObject({
    outcome: 'unroutable',
    reason: expect.stringContaining("no exchange 'no-such-exchange'"),
  });
  await expect(sendNow(unfit, signal)).rejects.toThrow('it cannot be sent: args: "{"; expected a JSON array');
  expect(await sendNow(4711, signal)).toBe(null);
  expect(await runsOf(knex)).toHaveLength(3);
  const task = await knex('djcelery_periodictask').where({ id }).first();
  expect(task).toMatchObject({ total_run_count: 0, last_run_at: null, enabled: false });
  const several = createSender(loadConfig({ broker: [`a=${vhost.url}`, `b=${vhost.url}`] }, {}), knex);
  await expect(several(id, signal)).rejects.toThrow('periodic tasks are sent to one broker, and 2 are configured');
});
