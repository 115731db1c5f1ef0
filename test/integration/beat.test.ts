import { expect, test } from 'vitest';
import { createSender } from '../../src/beating.ts';
import { loadConfig } from '../../src/config.ts';
import { periodicRun } from '../../src/contract/periodic.ts';
import { nextDue } from '../../src/domain/schedule.ts';
import { openDatabase } from '../../src/store/database.ts';
import { lookAt } from '../../src/store/look.ts';
import { addInterval, Beating, freshPlace, runsOf } from '../support/beating.ts';
import { CeleryApp } from '../support/celery-app.ts';
import { Running } from '../support/running.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

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

test('a real worker runs tasks of every kind of schedule, with what their rows say', async () => {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  await using app = new CeleryApp(vhost.url);
  await app.startWorker('w1@test');
  await using running = new Running({ broker: [vhost.url], database: database.url, beat: 'yes' });
  await running.next('beat:leading');
  const soon = Date.now() / 1000 + 4;
  await running.query(`
    insert into celerycam.djcelery_intervalschedule (id, every, period) values (1, 2, 'seconds');
    insert into celerycam.djcelery_crontabschedule (id, timezone) values (1, 'Asia/Kolkata');
    insert into celerycam.djcelery_solarschedule (id, event, latitude, longitude)
      values (1, 'solar_noon', 0, ${longitudeOfNoon(soon)});
    insert into celerycam.djcelery_clockedschedule (id, clocked_time) values (1, to_timestamp(${soon}));
    insert into celerycam.djcelery_periodictask (name, task, args, kwargs, one_off, interval_id, crontab_id, solar_id, clocked_id)
      values ('interval', 'app.add', '[1]', '{"y": 2}', false, 1, null, null, null),
        ('crontab', 'app.add', '["x", "y"]', '{}', false, null, 1, null, null),
        ('solar', 'app.add', '[[1], [2]]', '{}', false, null, null, 1, null),
        ('clocked', 'app.total', '[[1, 2, 3]]', '{}', true, null, null, null, 1);
    -- As if it had been there for a minute: no need to wait for the next.
    update celerycam.djcelery_periodictask set scheduled_at = scheduled_at - interval '1 minute' where name = 'crontab';
    insert into celerycam.djcelery_periodictask
        (name, task, interval_id, one_off, queue, priority, headers, expire_seconds)
      values ('all', 'app.request', 1, true, 'celery', 7, '{"tenant": "a", "id": "no"}', 30)`);
  await running.until('all of them', async () => {
    const names = await running.query(`select distinct p.name from celerycam.djcelery_periodictask p
      join celerycam.periodic_runs r on r.periodic_task = p.id
      join celerycam.task_states t on t.task_id = r.task_id where t.state = 'SUCCESS'`);
    return names.length === 5;
  });
  const rows = await running.query<{ name: string; args: string; result: string; enabled: boolean; count: number }>(`
    select distinct on (p.name) p.name, t.args, t.result, p.enabled, p.total_run_count as count
    from celerycam.djcelery_periodictask p join celerycam.periodic_runs r on r.periodic_task = p.id
    join celerycam.task_states t on t.task_id = r.task_id order by p.name, r.id`);
  expect(rows).toMatchObject([
    { name: 'all', enabled: false, count: 1 },
    { name: 'clocked', args: '([1, 2, 3],)', result: '6', enabled: false, count: 1 },
    { name: 'crontab', args: "('x', 'y')", result: "'xy'", enabled: true },
    { name: 'interval', args: '(1,)', result: '3', enabled: true },
    { name: 'solar', args: '([1], [2])', result: '[1, 2]', enabled: true, count: 1 },
  ]);
  expect(rows[0]?.result).toMatch(
    /^"?\{'expires': '20\d\d-\d\d-\d\dT[\d:]+\.\d{6}\+00:00', 'priority': 7, 'queue': 'celery', /,
  );
  expect(rows[0]?.result).toContain("'tenant': 'a', 'periodic_task_name': 'all'");
});

/** East of Greenwich, degrees, where the sun is highest at that time. */
function longitudeOfNoon(time: number): number {
  const noonAt = (longitude: number): number =>
    nextDue({ kind: 'solar', event: 'solar_noon', latitude: 0, longitude }, time - 43_200, 0) ?? 0;
  let longitude = 0;
  for (let n = 0; n < 10; n++) {
    longitude += (noonAt(longitude) - time) / 240;
    longitude = ((longitude + 540) % 360) - 180;
  }
  return Math.round(longitude * 1e6) / 1e6;
}

test('what makes no sense stops nothing else, and is told; what the broker refuses neither', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const good = await addInterval(knex, 0.5, { name: 'good' });
  const [february] = await knex('djcelery_crontabschedule')
    .insert({ day_of_month: '30', month_of_year: '2' })
    .returning('id');
  await knex('djcelery_periodictask').insert([
    { name: 'no schedule', task: 't' },
    { name: 'never due', task: 't', crontab_id: february?.id },
  ]);
  await addInterval(knex, 0.5, { name: 'bad args', args: '[1,' });
  await addInterval(knex, 0.5, { name: 'far start', start_time: '9000-01-01Z' });
  const missing = await addInterval(knex, 0.5, { name: 'no such queue', queue: 'nowhere' });
  const exchange = await addInterval(knex, 0.5, { name: 'no such exchange', exchange: 'nowhere' });
  const odd = await addInterval(knex, 0.5, { name: 'odd header', headers: '{"a": {"!": "x", "value": 1}}' });
  const beating = new Beating({ database: database.url, broker: vhost.url });
  const { tasks, unfit } = await beating.next('beat:read');
  expect(tasks).toBe(5);
  expect([...unfit.values()].toSorted()).toEqual([
    expect.stringContaining('args: "[1,"; expected a JSON array'),
    expect.stringContaining('day_of_month: never due'),
    expect.stringContaining('schedule: there is none'),
  ]);
  await inbox.until(6);
  await beating.stop();
  const runs = await runsOf(knex, good);
  for (const { due_at, sent_at } of runs) expect(sent_at - due_at).toBeLessThan(1);
  expect(new Set(inbox.names)).toEqual(new Set(['good']));
  const told = [
    [missing, 'there is no queue "nowhere"'],
    [exchange, "NOT_FOUND - no exchange 'nowhere' in vhost"],
    [odd, ''],
  ] as const;
  for (const [id, reason] of told) {
    const refused = await runsOf(knex, id);
    expect(refused.length).toBeGreaterThan(2);
    for (const run of refused) {
      expect(run.outcome).toBe('unroutable');
      expect(run.reason).toContain(reason);
    }
  }
});

test('one-off, start, end and enabled are kept to', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const now = Date.now();
  const at = (seconds: number): string => new Date(now + seconds * 1000).toISOString();
  const once = await addInterval(knex, 0.2, { name: 'once', one_off: true });
  const later = await addInterval(knex, 60, { name: 'later', start_time: at(3) });
  await addInterval(knex, 0.2, { name: 'off', enabled: false });
  await addInterval(knex, 0.2, { name: 'over', expires: at(-1) });
  await addInterval(knex, 0.2, { name: 'clock' });
  await using beating = await Beating.leading({ database: database.url, broker: vhost.url });
  await inbox.until(20);
  await beating.stop();
  expect(inbox.names.filter((name) => name !== 'clock').toSorted()).toEqual(['later', 'once']);
  expect(await knex('djcelery_periodictask').where({ id: once }).first()).toMatchObject({
    enabled: false,
    total_run_count: 1,
  });
  const [run] = await runsOf(knex, later);
  expect(run.due_at).toBeCloseTo(now / 1000 + 3, 2);
});

test('an edit by plain SQL takes effect within a second', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const id = await addInterval(knex, 3600, { name: 'before' });
  await using _beating = await Beating.leading({ database: database.url, broker: vhost.url });
  for (let n = 0; n < 5; n++) {
    const count = inbox.messages.length;
    const edited = Date.now();
    // Due at once, and not again.
    const [schedule] = await knex('djcelery_clockedschedule').insert({ clocked_time: new Date() }).returning('id');
    await knex('djcelery_periodictask')
      .where({ id })
      .update({ name: `after ${n}`, interval_id: null, clocked_id: schedule?.id });
    await inbox.until(count + 1);
    expect(Date.now() - edited).toBeLessThan(1000);
    expect(inbox.names.at(-1)).toBe(`after ${n}`);
  }
});

test('when the leader stops another leads within seconds, and nothing is left out', async () => {
  await using place = await freshPlace();
  const { knex, inbox, database, vhost } = place;
  const id = await addInterval(knex, 0.25, { name: 'often' });
  const options = { database: database.url, broker: vhost.url };
  const first = await Beating.leading(options);
  await using second = new Beating(options);
  await inbox.until(3);
  const led = second.next('beat:leading');
  const stopped = Date.now();
  await first.stop();
  await led;
  expect(Date.now() - stopped).toBeLessThan(5000);
  await inbox.until(inbox.messages.length + 5);
  await second.stop();
  const dues = (await runsOf(knex, id)).map(({ due_at }) => due_at);
  for (const [n, due] of dues.entries()) expect(due).toBeCloseTo(dues[0] + n * 0.25, 4);
  expect(inbox.messages).toHaveLength(dues.length);
});

test('who looks sees whether a beat leads, and what is never sent', async () => {
  await using place = await freshPlace();
  await using other = await freshPlace();
  await using database = await openDatabase({ url: place.database.url, schema: 'celerycam' });
  const look = async () => (await lookAt(database)).periodic;
  expect(await look()).toEqual({ due: 0, unfit: [], isLed: false });
  await addInterval(place.knex, 3600, { name: 'seldom' });
  await addInterval(place.knex, 3600, { name: 'disabled', enabled: false, args: '{' });
  await addInterval(place.knex, 3600, { name: 'b unfit', args: '{' });
  await addInterval(place.knex, 3600, { name: 'a unfit', kwargs: '[]' });
  const seen = {
    due: 1,
    unfit: [
      { name: 'a unfit', reason: 'kwargs: "[]"; expected a JSON object' },
      { name: 'b unfit', reason: 'args: "{"; expected a JSON array' },
    ],
  };
  // That of another database is none of ours.
  await using _ = await Beating.leading({ database: other.database.url, broker: other.vhost.url });
  expect(await look()).toEqual({ ...seen, isLed: false });
  const beating = await Beating.leading({ database: place.database.url, broker: place.vhost.url });
  expect(await look()).toEqual({ ...seen, isLed: true });
  await beating.stop();
  expect(await look()).toEqual({ ...seen, isLed: false });
});
