import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CeleryApp, type Published } from '../support/celery-app.ts';
import { parseExposition, sampleOf } from '../support/exposition.ts';
import { askedInVain, peerQueries } from '../support/promql.ts';
import { Running } from '../support/running.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

interface TaskRow {
  readonly task_id: string;
  readonly [column: string]: unknown;
}

const WORKERS = ['w1@test', 'w2@test'];
let vhost: Fresh;
let database: Fresh;
let running: Running;
let app: CeleryApp;
let ids: Published;
const stops: (() => Promise<void>)[] = [];

async function row(id: string): Promise<TaskRow> {
  const [found] = await running.query<TaskRow>('select * from celerycam.task_states where task_id = $1', id);
  if (!found) throw new Error(`there is no row of task ${id}`);
  return found;
}

async function statuses(): Promise<unknown[]> {
  const rows = await running.query('select hostname, status from celerycam.worker_states order by hostname');
  return rows.map(({ hostname, status }) => [hostname, status]);
}

beforeAll(async () => {
  [vhost, database] = await Promise.all([freshVhost(), freshDatabase()]);
  running = new Running({ broker: [vhost.url], database: database.url, routingKey: ['#'] });
  await running.next('receiver:ready');
  app = new CeleryApp(vhost.url);
  for (const hostname of WORKERS) stops.push(await app.startWorker(hostname));
  ids = await app.publish();
  // The last thing that is published; what the workers did before it came before it.
  await running.until('the custom event', async () => {
    const { length } = await running.query(`select from celerycam.events where type = 'custom-thing'`);
    return length > 0;
  });
  await running.until('the end of all tasks', async () => {
    const open = await running.query(
      `select from celerycam.task_states where not ready and task_id not in ($1, $2)`,
      ids.ignored,
      ids.rejected,
    );
    return open.length === 0;
  });
});

afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await running?.[Symbol.asyncDispose]();
  await Promise.all([vhost?.[Symbol.asyncDispose](), database?.[Symbol.asyncDispose]()]);
});

describe('/metrics', () => {
  const scrape = async () => parseExposition(await (await fetch(`${running.url}/metrics`)).text());

  test('counts what the workers told, under the labels of celery-exporter and Flower', async () => {
    const families = await scrape();
    const types = await running.query<{ type: string; n: string }>(
      `select type, count(*) as n from celerycam.events where type like 'task-%' and type <> 'task-progress' group by type`,
    );
    expect(types.length).toBeGreaterThan(6);
    for (const { type, n } of types) {
      const sum = (name: string, own: object): number =>
        (families.get(name)?.samples ?? [])
          .filter(({ labels }) => Object.entries(own).every(([label, value]) => labels[label] === value))
          .reduce((total, { value }) => total + value, 0);
      expect([type, sum(`celery_${type.replace('-', '_')}_total`, {})]).toEqual([type, Number(n)]);
      expect([type, sum('flower_events_total', { type })]).toEqual([type, Number(n)]);
    }
    const labels = { cluster: 'default', name: 'app.fail', hostname: 'test', queue_name: 'celery' };
    expect(sampleOf(families, 'celery_task_failed_total', { ...labels, exception: 'ValueError' })).toBe(1);
    expect(sampleOf(families, 'celery_worker_up', { cluster: 'default', hostname: 'test' })).toBe(1);
    expect(sampleOf(families, 'flower_worker_online', { cluster: 'default', worker: 'w1@test' })).toBe(1);
  });

  const queue = { cluster: 'default', queue_name: 'celery' };
  const scrapeWithQueues = async () => {
    let families = await scrape();
    while (sampleOf(families, 'celery_active_worker_count', queue) === undefined) {
      await delay(100);
      families = await scrape();
    }
    return families;
  };

  test('and what waits in the queue and who takes it, once broker and workers were asked', async () => {
    const families = await scrapeWithQueues();
    expect(sampleOf(families, 'celery_queue_length', queue)).toBe(0);
    expect(sampleOf(families, 'celery_active_consumer_count', queue)).toBe(2);
    expect(sampleOf(families, 'celery_active_worker_count', queue)).toBe(2);
    expect(sampleOf(families, 'celery_active_process_count', queue)).toBe(4);
  });

  test.each(['celery-exporter', 'flower'] as const)(
    'every query of the dashboards and alerts of %s finds what it asks for',
    async (peer) => {
      const families = await scrapeWithQueues();
      const queries = peerQueries(peer);
      expect(queries.length).toBeGreaterThan(15);
      expect(queries.flatMap((query) => askedInVain(query, families))).toEqual([]);
      expect(askedInVain('sum by (state) (celery_worker_up{hostname="elsewhere"})', families)).toHaveLength(1);
      expect(askedInVain('sum by (state) (celery_worker_up)', families)).toEqual(['state of celery_worker_up']);
    },
  );
});

describe('every task’s row is right', () => {
  test('success', async () => {
    const task = await row(ids.success);
    expect(task).toMatchObject({
      cluster: 'default',
      state: 'SUCCESS',
      name: 'app.add',
      args: '(2,)',
      kwargs: "{'y': 3}",
      result: '5',
      exception: null,
      traceback: null,
      retries: 0,
      root_id: ids.success,
      parent_id: null,
      worker: expect.stringMatching(/^w[12]@test$/),
      client: expect.stringMatching(/^gen\d+@/),
      exchange: '',
      routing_key: 'celery',
      ready: true,
    });
    expect(task['runtime']).toBeGreaterThan(0);
    const { sent, received, started, succeeded } = task as Record<string, unknown>;
    for (const time of [sent, received, started, succeeded])
      expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(120);
    expect(Number(sent)).toBeLessThanOrEqual(Number(succeeded));
  });

  test('failure, with its traceback', async () => {
    expect(await row(ids.failure)).toMatchObject({
      state: 'FAILURE',
      args: "('no good',)",
      kwargs: "{'loud': True}",
      result: null,
      exception: "ValueError('no good')",
      traceback: expect.stringContaining('raise ValueError(reason)'),
    });
  });

  test('retry: one task, whose second attempt worked', async () => {
    expect(await row(ids.retry)).toMatchObject({
      state: 'SUCCESS',
      result: "'at last'",
      retries: 1,
      root_id: ids.retry,
      exception: null,
      runs: [
        { number: 1, retries: 0, state: 'RETRY', exception: expect.any(String) },
        { number: 2, retries: 1, state: 'SUCCESS', result: "'at last'", exception: null },
      ],
    });
  });

  test('revoked while it ran, and before it started', async () => {
    const [ran, waited] = [await row(ids.running), await row(ids.waiting)];
    // From billiard 4.3 on the killed child is then told as a failure, SystemExit(-241), too.
    expect(ran).toMatchObject({
      state: 'REVOKED',
      revoked: expect.any(Number),
      started: expect.any(Number),
    });
    expect(waited).toMatchObject({ state: 'REVOKED', revoked: expect.any(Number), started: null });
  });

  test('rejected; and ignored, which no event tells of', async () => {
    expect(await row(ids.rejected)).toMatchObject({ state: 'REJECTED', rejected: expect.any(Number) });
    expect(await row(ids.ignored)).toMatchObject({ state: 'STARTED', rejected: null });
  });

  test('a custom task event’s fields are kept', async () => {
    expect(await row(ids.custom)).toMatchObject({ state: 'SUCCESS', extra: { percent: 50 } });
  });

  test('chain, group and chord: root and parent', async () => {
    const [first, second] = ids.chain;
    expect(await row(first)).toMatchObject({ state: 'SUCCESS', result: '3', root_id: first, parent_id: null });
    expect(await row(second)).toMatchObject({ state: 'SUCCESS', result: '13', root_id: first, parent_id: first });
    for (const [i, id] of ids.group.entries()) {
      expect(await row(id)).toMatchObject({ state: 'SUCCESS', result: String(2 * i), root_id: id, parent_id: null });
    }
    const { parent_id, ...body } = await row(ids.chord.body);
    expect(body).toMatchObject({ state: 'SUCCESS', name: 'app.total', result: '3' });
    // With a result backend that cannot count, a task that waits for the header calls the body.
    expect(await row(String(parent_id))).toMatchObject({ state: 'SUCCESS', name: 'celery.chord_unlock' });
    for (const id of ids.chord.header) expect(await row(id)).toMatchObject({ state: 'SUCCESS', root_id: id });
  });

  test('nothing was dead, nothing missing', async () => {
    expect(await running.query('select * from celerycam.dead_letters')).toEqual([]);
    expect(await running.query('select * from celerycam.gaps')).toEqual([]);
    const [{ n, last } = {}] = await running.query(
      'select count(*)::int n, max(position)::int last from celerycam.events',
    );
    expect(n).toBe(last);
  });
});

test('both workers are ONLINE, and OFFLINE once they have stopped', async () => {
  await running.until('workers online', async () => (await statuses()).length === 2);
  expect(await statuses()).toEqual(WORKERS.map((hostname) => [hostname, 'ONLINE']));
  const [worker] = await running.query('select * from celerycam.worker_states order by hostname');
  expect(worker).toMatchObject({ sw_ident: 'py-celery', sw_sys: 'Linux', freq: 2, pid: expect.any(Number) });
  await Promise.all(stops.map((stop) => stop()));
  await running.until('workers offline', async () => JSON.stringify(await statuses()).split('OFFLINE').length === 3);
});

test('it stops in order', async () => {
  await running.stop();
  expect(running.logged.filter(({ level }) => level === 'error')).toEqual([]);
});
