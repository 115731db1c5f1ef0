/** The API of the whole program: events published to a broker, recorded, and asked for by every route. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { History, PeriodicTasks, refusalIn } from '../../src/client/index.ts';
import { type ErrorAnswer, errorAnswer } from '../../src/contract/api.ts';
import type { PeriodicTaskRow } from '../../src/contract/periodic.ts';
import { type Api, api, type Route } from '../../src/contract/routes.ts';
import { type Place, toCursor } from '../../src/cursor.ts';
import { FILTER_PARAMS } from '../../src/domain/filter-params.ts';
import { Document } from '../support/document.ts';
import { openSender } from '../support/receiving.ts';
import { Running } from '../support/running.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

const START = Date.now() / 1000 - 60;
const HOSTILE = "x'; drop table celerycam.task_states; --/..%2F☃";

let clock = 0;

function event(type: string, more: Readonly<Record<string, unknown>>): object {
  clock += 1;
  const timestamp = START + clock / 100;
  return { type: `task-${type}`, hostname: 'w@one', pid: 7, clock, timestamp, utcoffset: 0, ...more };
}

/** A task from its being sent to its end. */
function life(uuid: string, more: Readonly<Record<string, unknown>>, ...end: readonly [string, object] | []): object[] {
  const [kind, told] = end;
  const sender = { hostname: more['hostname'] ?? 'w@one' };
  return [
    event('received', {
      uuid,
      name: 'proj.add',
      args: '(1, 2)',
      kwargs: '{}',
      retries: 0,
      root_id: uuid,
      parent_id: null,
      ...more,
    }),
    event('started', { uuid, ...sender }),
    ...(kind ? [event(kind, { uuid, ...sender, ...told })] : []),
  ];
}

/** Routes whose answer was held against the contract. */
const seen = new Set<string>();

/** The route of a path, among those that have no parameter in it, or one. */
function routeOf(path: string): keyof Api {
  const [plain = ''] = path.split('?');
  const names = Object.keys(api) as (keyof Api)[];
  const found = names.find((name) =>
    new RegExp(`^GET ${name.slice(4).replace(/{\w+}/g, '[^/]+')}$`).test(`GET ${plain}`),
  );
  if (!found) throw new Error(`no route of ${path}`);
  return found;
}

/** Asks, and holds the answer against the contract. */
async function get<Name extends keyof Api>(name: Name, path: string) {
  const response = await fetch(`${running.url}${path}`);
  await document.hold(name, response);
  const body = (await response.json()) as { error?: string };
  expect([path, response.status, body.error]).toEqual([path, 200, undefined]);
  seen.add(name);
  return (api[name] as Route).response.parse(body) as z.output<Api[Name]['response']>;
}

/** Asks what is refused. */
async function refused(path: string, status: number): Promise<ErrorAnswer> {
  const response = await fetch(`${running.url}${path}`);
  await document.hold(routeOf(path), response);
  const body = errorAnswer.parse(await response.json());
  expect([path, response.status]).toEqual([path, status]);
  return body;
}

let vhost: Fresh;
let database: Fresh;
let running: Running;
let history: History;
let document: Document;
/** One that was sent by hand. */
let periodic: PeriodicTaskRow;
/** Between the first half of what happened and the second. */
let between: number;

beforeAll(async () => {
  vhost = await freshVhost();
  database = await freshDatabase();
  running = new Running({ broker: [vhost.url], database: database.url, maxTasks: '5' });
  await running.next('receiver:ready');
  history = new History({ url: running.url });
  document = await Document.of(running.url);
  const tasks = new PeriodicTasks({ url: running.url });
  const schedule = { kind: 'interval', every: 1, period: 'hours' } as const;
  periodic = await tasks.create({ name: 'hourly', task: 'proj.add', schedule });
  await tasks.delay(periodic.id);
});

afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await vhost[Symbol.asyncDispose]();
});

async function publish(events: readonly object[], key = 'task.multi'): Promise<void> {
  await using sender = await openSender(vhost.url);
  await sender.send([events], key);
}

async function recorded(what: string, sql: string): Promise<void> {
  await running.until(
    what,
    async () => (await running.query<{ ok: boolean }>(`select (${sql}) as ok`))[0]?.ok === true,
  );
}

test('before anything happened every route has an answer', async () => {
  for (const path of ['workers', 'tasks', 'snapshots', 'gaps', 'dead-letters', 'task-names', 'stats']) {
    const name = `GET /api/${path}` as keyof Api;
    const answer = (await get(name, `/api/${path}`)) as { items?: unknown[]; series?: { points: unknown[] }[] };
    expect([path, answer.items ?? []]).toEqual([path, []]);
  }
  await get('GET /api/cluster', '/api/cluster');
  await get('GET /healthz', '/healthz');
  await get('GET /readyz', '/readyz');
  for (const path of ['tasks/x', 'tasks/x/events', 'tasks/x/tree', 'tasks/x/versions', 'workers/x']) {
    await refused(`/api/${path}`, 404);
  }
  for (const path of ['cluster', 'tasks', 'workers', 'tasks/x', 'workers/x']) {
    const { error } = await refused(`/api/${path}?at=2020-01-01`, 404);
    expect(error).toMatch(/2020-01-01T00:00:00/);
  }
  await refused('/api/difference?to=2020-01-01', 404);
});

describe('after something happened', () => {
  beforeAll(async () => {
    const beat = {
      hostname: 'w@one',
      pid: 7,
      freq: 2,
      utcoffset: 0,
      sw_ident: 'py-celery',
      sw_ver: '5.5',
      sw_sys: 'Linux',
    };
    await publish([{ ...beat, type: 'worker-online', clock: 1, timestamp: START }], 'worker.online');
    await publish([
      ...life('running', { name: 'proj.long' }),
      ...life('ended', {}, 'succeeded', { result: '3', runtime: 0.5 }),
    ]);
    await recorded(
      'the first half',
      `select count(*) = 2 from celerycam.task_states where state in ('STARTED', 'SUCCESS')`,
    );
    const [snapshot] = await running.query<{ at: number }>(
      'select extract(epoch from max(taken_at))::float8 as at from celerycam.snapshots',
    );
    between = (snapshot?.at ?? 0) + 0.001;
    await publish([
      event('failed', { uuid: 'running', exception: "KeyError('k')", traceback: 'Traceback' }),
      ...life('root', { name: 'proj.chain' }, 'succeeded', { result: '\'a,"b"\'', runtime: 0.1 }),
      ...life('child', { root_id: 'root', parent_id: 'root', args: '=1+1' }, 'succeeded', {
        result: '1',
        runtime: 0.2,
      }),
      ...life('grandchild', { root_id: 'root', parent_id: 'child', kwargs: "{'user': 5}" }),
      ...life(HOSTILE, { name: HOSTILE, hostname: HOSTILE }),
      ...Array.from({ length: 20 }, (_, n) =>
        life(`many-${n}`, { name: 'proj.many' }, 'succeeded', { result: String(n), runtime: n }),
      ).flat(),
      event('received', { uuid: 'bare', name: 'proj.bare' }),
    ]);
    await using sender = await openSender(vhost.url);
    await sender.send([Buffer.from('no json'), Buffer.from([255])], 'task.multi');
    await recorded('the rest', 'select count(*) = 27 from celerycam.task_states');
    await recorded('the dead letters', 'select count(*) = 2 from celerycam.dead_letters');
    await running.query(
      `insert into celerycam.gaps (cluster, cause, started_at, ended_at, detail)
      values ('default', 'disconnect', to_timestamp($1::float8 - 5), to_timestamp($1::float8 + 5), 'd')`,
      between,
    );
  });

  test('tasks: pages, sorts, filters', async () => {
    const all = await get('GET /api/tasks', '/api/tasks?limit=1000');
    expect([all.items.length, all.total, all.next]).toEqual([27, { count: 27, kind: 'exact' }, null]);
    const ids: string[] = [];
    for await (const page of history.pages('/api/tasks', { limit: 10, sort: 'received', order: 'asc' })) {
      ids.push(...page.items.map(({ task_id }) => task_id));
    }
    expect(ids).toEqual(all.items.map(({ task_id }) => task_id).reverse());
    const where = async (query: string) => {
      const { items } = await get('GET /api/tasks', `/api/tasks?${query}`);
      return items.map(({ task_id }) => task_id).sort();
    };
    expect(await where('state=failure')).toEqual(['running']);
    expect(await where('q=state:STARTED%20NOT%20name:proj.add')).toEqual([HOSTILE]);
    expect(await where('args=%3D1')).toEqual(['child']);
    expect(await where('runtime_from=18')).toEqual(['many-18', 'many-19']);
    expect(await where(`name=${encodeURIComponent(HOSTILE)}`)).toEqual([HOSTILE]);
    expect(await where('root=root&sort=started')).toEqual(['child', 'grandchild', 'root']);
    expect(await where('cluster=nowhere')).toEqual([]);
  });

  test('SQL in every filter is text', async () => {
    for (const { name, field } of FILTER_PARAMS) {
      for (const value of [
        "' or 1=1 --",
        "'; drop table celerycam.task_states; --",
        '\0',
        '%',
        '_',
        '$1',
        '?',
        '\u{ffff}',
      ]) {
        const response = await fetch(`${running.url}/api/tasks?${new URLSearchParams({ [name]: value })}`);
        const body = await response.json();
        const isText = value !== '\0' && (field?.kind === 'whole' || field?.kind === 'contained');
        if (isText)
          expect([name, value, body]).toEqual([name, value, expect.objectContaining({ as_of: expect.anything() })]);
        else expect([200, 400]).toContain(response.status);
        if (response.status === 400) expect(errorAnswer.parse(body)).toMatchObject({ parameter: name });
      }
    }
    expect((await running.query('select from celerycam.task_states')).length).toBe(27);
  });

  test('as it was then', async () => {
    const at = `at=${between}`;
    const then = await get('GET /api/tasks', `/api/tasks?${at}&sort=received&order=asc`);
    expect(then.items.map(({ task_id, state }) => [task_id, state])).toEqual([
      ['running', 'STARTED'],
      ['ended', 'SUCCESS'],
    ]);
    expect(then.as_of.taken_at).toBeLessThanOrEqual(between);
    expect(then.gaps).toMatchObject([{ cause: 'disconnect' }]);
    const started = await get('GET /api/tasks', `/api/tasks?${at}&state=STARTED`);
    expect(started.items.map(({ task_id }) => task_id)).toEqual(['running']);
    const one = await get('GET /api/tasks/{uuid}', `/api/tasks/running?${at}`);
    expect(one).toMatchObject({ task: { state: 'STARTED' }, as_of: then.as_of, gaps: then.gaps });
    await refused(`/api/tasks/child?${at}`, 404);
    const cluster = await get('GET /api/cluster', `/api/cluster?${at}`);
    expect(cluster).toMatchObject({ as_of: then.as_of, tasks: { STARTED: 1, SUCCESS: 1 }, workers: { ONLINE: 1 } });
    const workers = await get('GET /api/workers', `/api/workers?${at}`);
    expect(workers).toMatchObject({ items: [{ hostname: 'w@one' }], as_of: then.as_of, gaps: then.gaps });
    const worker = await get('GET /api/workers/{hostname}', `/api/workers/w%40one?${at}`);
    expect(worker).toMatchObject({ worker: { hostname: 'w@one' }, as_of: then.as_of, gaps: then.gaps });
    const wrong = await history.tasks({ at: between, exception: 'x' }).catch(refusalIn);
    expect(wrong).toMatchObject({ status: 400, error: expect.stringContaining('exception') });
    const etag = String((await fetch(`${running.url}/api/tasks?${at}`)).headers.get('etag'));
    const again = await fetch(`${running.url}/api/tasks?${at}`, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  test('one task: from memory, from the database once memory has dropped it', async () => {
    const evicted = await get('GET /api/tasks/{uuid}', '/api/tasks/ended');
    expect(evicted).toMatchObject({
      task: { state: 'SUCCESS', result: '3', runs: [{ number: 1 }] },
      as_of: { snapshot: expect.any(Number) },
    });
    const bare = await get('GET /api/tasks/{uuid}', '/api/tasks/bare');
    expect(bare).toMatchObject({ task: { state: 'RECEIVED' }, as_of: { snapshot: null } });
    const hostile = encodeURIComponent(HOSTILE);
    expect(await get('GET /api/tasks/{uuid}', `/api/tasks/${hostile}`)).toMatchObject({ task: { task_id: HOSTILE } });
    expect((await get('GET /api/workers/{hostname}', `/api/workers/${hostile}`)).worker).toMatchObject({
      hostname: HOSTILE,
    });
    const { items } = await get('GET /api/tasks/{uuid}/events', `/api/tasks/${hostile}/events`);
    expect(items.map(({ type, effect }) => [type, effect])).toEqual([
      ['task-received', `opens run 1: received by ${HOSTILE} (pid 7), retries 0`],
      ['task-started', expect.any(String)],
    ]);
  });

  test('how a task came to be, and what came of it', async () => {
    const { items } = await get('GET /api/tasks/{uuid}/versions', '/api/tasks/running/versions');
    expect(items.map(({ state }) => state)).toEqual(['STARTED', 'FAILURE']);
    for (const uuid of ['root', 'child', 'grandchild']) {
      const tree = await get('GET /api/tasks/{uuid}/tree', `/api/tasks/${uuid}/tree`);
      expect(tree).toMatchObject({ root_id: 'root', missing: [], cut: false });
      expect(tree.edges).toEqual([
        { parent: 'root', child: 'child' },
        { parent: 'child', child: 'grandchild' },
      ]);
    }
  });

  test('workers, figures and the record', async () => {
    const { items } = await get('GET /api/workers', '/api/workers');
    expect(items.map(({ hostname }) => hostname)).toContain('w@one');
    const names = await get('GET /api/task-names', '/api/task-names');
    expect(names.items.find(({ name }) => name === 'proj.long')).toMatchObject({
      states: { FAILURE: 1 },
      failure_rate: 1,
    });
    const stats = await get('GET /api/stats', `/api/stats?by=name&from=${START - 60}`);
    const many = stats.series.find(({ key }) => key === 'proj.many')?.points ?? [];
    expect(many.reduce((sum, { tasks }) => sum + (tasks['SUCCESS'] ?? 0), 0)).toBe(20);
    const { items: snapshots } = await get('GET /api/snapshots', '/api/snapshots?limit=1');
    expect(snapshots).toHaveLength(1);
    const { items: gaps } = await get('GET /api/gaps', '/api/gaps?cluster=default');
    expect(gaps).toMatchObject([{ cause: 'disconnect' }]);
    const { items: dead } = await get('GET /api/dead-letters', '/api/dead-letters');
    expect(dead.map(({ body }) => Buffer.from(body, 'base64').toString('latin1')).sort()).toEqual(['no json', 'ÿ']);
  });

  test('what differs, what is not as it should be, and what is stored of a task', async () => {
    const changes = await get('GET /api/workers/{hostname}/changes', '/api/workers/w%40one/changes');
    expect(changes.items).toContainEqual(expect.objectContaining({ status: 'ONLINE' }));
    const difference = await get('GET /api/difference', '/api/difference');
    expect(difference.to.position).toBeGreaterThan(0);
    const { parts } = await get('GET /api/findings', '/api/findings');
    expect(parts.flatMap(({ findings }) => findings)).toContainEqual(expect.objectContaining({ level: 'ok' }));
    expect(await get('GET /api/results/{task_id}', '/api/results/root')).toMatchObject({ status: 'PENDING' });
  });

  test.each(Object.entries<Route>(api).filter(([, { row }]) => row))(
    '%s is exported as it is shown',
    async (name, { row }) => {
      const examples = { uuid: 'root', hostname: 'w@one', id: String(periodic.id) };
      const question = Object.fromEntries(Object.entries(examples).filter(([key]) => name.includes(`{${key}}`)));
      const rows: unknown[] = [];
      for await (const each of history.each(name.slice(4) as '/api/tasks', question)) rows.push(row?.parse(each));
      expect(rows.length).toBeGreaterThan(0);
      const path = name.slice(4).replace(/{(\w+)}/, (_, key: string) => encodeURIComponent(question[key] ?? ''));
      const url = `${running.url}${path}`;
      const exported = await fetch(`${url}?format=ndjson`);
      await document.hold(name, exported);
      const lines = (await exported.text()).trimEnd().split('\n');
      for (const line of lines) row?.parse(JSON.parse(line));
      expect(lines.length).toBeGreaterThanOrEqual(rows.length);
      const csv = await (await fetch(url, { headers: { accept: 'text/csv' } })).text();
      expect(csv.split('\r\n')[0]).toBe(Object.keys(row?.shape ?? {}).join());
    },
  );

  test('an export is in order and harmless', async () => {
    const url = `${running.url}/api/tasks?root=root&sort=received&order=asc`;
    const lines = (await (await fetch(`${url}&format=ndjson`)).text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).task_id)).toEqual(['root', 'child', 'grandchild']);
    const csv = await (await fetch(`${url}&format=csv`)).text();
    expect(csv).toContain(`,'=1+1,`);
    expect(csv).toContain(`,"'a,""b""'",`);
  });

  test('a cursor that was not given out is refused', async () => {
    for (const cursor of ['x', 'WzFd', 'bnVsbA', '%F0%9F', 'e30', 'x'.repeat(5000)]) {
      for (const list of ['tasks', 'workers', 'snapshots', 'gaps', 'dead-letters', 'tasks/root/events']) {
        const { parameter } = await refused(`/api/${list}?cursor=${cursor}`, 400);
        expect([list, cursor, parameter]).toEqual([list, cursor, 'cursor']);
      }
    }
    // Well formed, and yet none of ours.
    const forged: readonly (readonly [string, Place])[] = [
      ...(['a\0', 1, true, null] as const).flatMap((id): [string, Place][] => [
        ['tasks', ['tasks received desc', null, 1, id, 'default']],
        ['tasks?sort=name', ['tasks name desc', null, 'n', 1, id, 'default']],
        ['workers', ['workers', null, 'default', id]],
      ]),
      ...[0.5, 1e300, null, 'x'].flatMap((id): [string, Place][] => [
        ['snapshots', ['snapshots', id]],
        ['gaps', ['gaps', id]],
        ['dead-letters', ['dead letters', id]],
        [`tasks?at=${between}`, ['tasks received desc', id, 1, 'x', 'default']],
      ]),
      ['tasks', ['tasks received desc', 1, 1, 'x', 'default']],
      ['workers', ['workers', 1, 'default', 'x']],
      ['tasks/root/events', ['events', 'x']],
    ];
    for (const [path, place] of forged) {
      const joint = path.includes('?') ? '&' : '?';
      const { parameter } = await refused(`/api/${path}${joint}cursor=${toCursor(place)}`, 400);
      expect([path, place, parameter]).toEqual([path, place, 'cursor']);
    }
    const { next } = await history.tasks({ limit: 1 });
    expect(await history.tasks({ limit: 1, sort: 'name', cursor: String(next) }).catch(refusalIn)).toMatchObject({
      parameter: 'cursor',
    });
  });

  test('every question of docs/api.md is answered', async () => {
    const text = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
    const paths = [...text.matchAll(/^curl .*?"\$API(\/[^"]*)"/gm)].map(
      ([, path = '']) => `${running.url}/api${path.replace('at=-5m', `at=${between}`)}`,
    );
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) expect([path, (await fetch(path)).status]).toEqual([path, 200]);
    const [, asked = '', told = ''] = /^\$ curl "\$API(.*)"\n(.*)$/m.exec(text) ?? [];
    expect(await (await fetch(`${running.url}/api${asked}`)).text()).toBe(told);
  });

  test('the example runs', async () => {
    const example = new URL('../../examples/failures.mjs', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [example, running.url]);
    expect(stdout).toBe("1 × proj.long: KeyError('k')\n");
  });

  test('the feed without WebSocket, with a ticket', async () => {
    const given = await fetch(`${running.url}/api/ticket`, { method: 'POST' });
    const { ticket } = api['POST /api/ticket'].response.parse(await given.json());
    const told = await fetch(`${running.url}/api/changes?snapshot=true&wait=0&ticket=${ticket}`);
    expect([told.status, told.headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    await document.hold('GET /api/changes', told);
    const lines = (await told.text()).trimEnd().split('\n');
    const messages = lines.map((line) => api['GET /api/changes'].response.parse(JSON.parse(line)));
    expect(messages.map(({ type }) => type)).toEqual(expect.arrayContaining(['hello', 'subscribed', 'snapshot']));
    await refused('/api/changes?foo=1', 400);
  });

  test('every route was asked', () => {
    // Those of periodic tasks, and a group that was saved, are asked in tests of their own.
    const here = ['POST /api/ticket', 'GET /api/changes', 'GET /api/groups/{id}'];
    const expected = Object.entries<Route>(api).filter(([, { tag }]) => tag !== 'periodic');
    expect([...seen, ...here].sort()).toEqual(expected.map(([name]) => name).sort());
  });
});
