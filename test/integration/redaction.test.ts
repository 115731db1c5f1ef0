/** A secret that was sent in every way there is, looked for everywhere that the real program writes. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Api, api, type Route } from '../../src/contract/routes.ts';
import { saferepr } from '../../src/domain/saferepr.ts';
import { pathOf } from '../../src/http/answers.ts';
import { createRoutes } from '../../src/http/routes.ts';
import { openResults } from '../../src/library/results.ts';
import type { Database } from '../../src/store/database.ts';
import { Program } from '../support/program.ts';
import { event, openSender } from '../support/receiving.ts';
import { openRecord } from '../support/record.ts';
import { scratch } from '../support/scratch.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';
import { apiSources } from '../support/sources.ts';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;
const SECRET = 'hunter2-0f9a';
const KEY = 'a key of sixteen and more';

const RULES = `
rules:
  - path: [kwargs.password, "kwargs.**.token", "args[1]", result.token]
  - path: kwargs.account
    action: hash
  - task: [accounts.*]
    fields: [result, exception, traceback, note]
  - match: 'hunter2-[0-9a-f]{4}'
    fields: [traceback, exception]
`;

function rulesFile(): string {
  const path = join(scratch(), 'redact.yml');
  writeFileSync(path, RULES);
  return path;
}

let clock = 0;
const told = (type: string, uuid: string, more: object): object => ({ ...event(++clock, type), uuid, ...more });

/** Lives of tasks, with the secret in every field that a rule is about. */
function bodies(): (object | Buffer)[] {
  const long = saferepr({
    dict: [
      ['a', 'x'.repeat(980)],
      ['password', `${SECRET} ${'y'.repeat(99)}`],
      ['z', SECRET],
    ],
  });
  expect(long).toContain(SECRET);
  const kwargs = `{'user': 'ann', 'password': '${SECRET}', 'account': 'acc-${SECRET}', 'in': {'token': '${SECRET}'}}`;
  const sent = { name: 'accounts.create', args: `('ann', '${SECRET}')`, kwargs };
  const failed = { exception: `ValueError('${SECRET}')`, traceback: `Traceback\n  ${SECRET}\n` };
  const life = (uuid: string): object[] => [
    told('task-sent', uuid, sent),
    told('task-received', uuid, sent),
    told('task-started', uuid, {}),
    told('task-retried', uuid, failed),
    told('task-failed', uuid, failed),
    told('task-succeeded', uuid, { result: `'${SECRET}'`, runtime: 1 }),
    told('task-progress', uuid, { note: SECRET }),
  ];
  return [
    ...life('one by one'),
    life('as a list'),
    // Its name is heard last, and never.
    life('the other way round').reverse(),
    told('task-succeeded', 'nobody knows', { result: SECRET }),
    [told('task-received', 'cut', { name: 'other', args: '()', kwargs: long })],
    told('task-received', 'unbalanced', { name: 'other', kwargs: `{'password': '${SECRET}` }),
    told('task-received', 'data', { name: 'other', args: [1, SECRET], kwargs: { in: [{ token: SECRET }] } }),
    told('task-received', 'json', { name: 'other', kwargs: JSON.stringify({ password: SECRET }) }),
    told('task-received', 'chord', { name: 'celery.chord_unlock', kwargs: `{'callback': {'args': ['${SECRET}']}}` }),
    told('task-succeeded', 'other', { name: 'other', result: `{'token': '${SECRET}'}` }),
    Buffer.from(`{"type": "task-sent", "kwargs": "${SECRET}`),
    Buffer.from(`${SECRET}`),
    [SECRET, told('task-received', 'last', { name: 'other', args: '(1, 2, 3)', kwargs: "{'shown': 'yes'}" })],
  ];
}

/** Everything in every table, as text; bytes as hexadecimal. */
async function everything({ knex }: Database): Promise<string> {
  const { rows } = await knex.raw(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'celerycam' and c.relkind in ('r', 'p', 'v')`,
  );
  const texts = await Promise.all(
    rows.map(async ({ name }: { name: string }) => {
      const found = await knex.raw('select t::text as text from celerycam.?? as t', [name]);
      return [name, ...found.rows.map(({ text }: { text: string }) => text)].join('\n');
    }),
  );
  return texts.join('\n');
}

function expectNone(where: string, text: string): void {
  const hex = Buffer.from(SECRET).toString('hex');
  const at = text.search(new RegExp(`${SECRET.slice(0, 7)}|${hex.slice(0, 14)}`));
  expect(`${where}: ${at === -1 ? 'none' : text.slice(Math.max(0, at - 200), at + 50)}`).toBe(`${where}: none`);
}

/** All that there is to ask for: every route of the app and of the contract, of these tasks, as every format. */
function questions(ids: readonly string[]): readonly string[] {
  const mounted = createRoutes(apiSources()).routes.filter(
    ({ method, path }) => method === 'GET' && !path.includes('*'),
  );
  const told = Object.keys(api).filter((name) => name.startsWith('GET '));
  const paths = new Set([...mounted.map(({ path }) => path), ...told.map((name) => pathOf(name))]);
  return [...paths].flatMap((path) => {
    const name = Object.keys(api).find((each) => each.startsWith('GET ') && pathOf(each) === path);
    const route = name === undefined ? null : (api[name as keyof Api] as Route);
    const of =
      path.includes('/:uuid') || path.includes('/:task_id') ? ids : path.includes('/:hostname') ? ['w1@vm'] : ['g'];
    const asked = path.includes(':') ? of.map((id) => path.replace(/:\w+/, encodeURIComponent(id))) : [path];
    const formats = route?.row ? ['json', 'csv', 'ndjson'].map((format) => `?format=${format}`) : [''];
    return asked.flatMap((each) => (each === '/api/changes' ? FEEDS : formats.map((query) => `${each}${query}`)));
  });
}

/** From the beginning, and what is so now. */
const FEEDS = ['?wait=20&snapshot=true', '?wait=20&topics=tasks,workers,events,snapshots&snapshot=true'].map(
  (query) => `/api/changes${query}`,
);

test('the secret is in no table, frame, answer or log', { timeout: 120_000 }, async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  const options = { broker: vhost.url, database: database.url, redact: rulesFile(), redactKey: KEY };
  await using program = new Program({ ...options, queue: 'celerycam', routingKey: '#' });
  await program.ready();
  const { url } = await program.until('serving', ({ msg }) => msg === 'serving');
  const socket = new WebSocket(`${String(url).replace('http', 'ws')}/live`);
  const frames: string[] = [];
  socket.on('message', (data) => frames.push(String(data)));
  await once(socket, 'open');
  await sender.send(bodies(), 'task.multi');
  await using record = await openRecord(database.url);
  const count = bodies().flat().length - 3;
  await program.pictured(count);
  while (!frames.some((frame) => frame.includes("{'shown': 'yes'}"))) await once(socket, 'message');

  const tables = await everything(record);
  expect(tables).toContain("{'shown': 'yes'}");
  expect(tables.split('redaction is configured')).toHaveLength(4);
  expectNone('tables', tables);
  expectNone('frames', frames.join('\n'));
  expectNone('log', JSON.stringify(program.lines) + program.noise.join('\n'));
  // Stored results, which are kept as they are, are shown without it.
  const ids: string[] = await record.knex('task_states').pluck('task_id');
  await using results = await openResults(database.url, { schema: 'celerycam' });
  const given = { traceback: `Traceback\n  ${SECRET}\n`, args: ['ann', SECRET], kwargs: { password: SECRET } };
  for (const [n, id] of ids.entries()) {
    const stored = n % 2 ? new RangeError(`no ${SECRET}`) : { token: SECRET, in: [{ token: SECRET }] };
    await results.store(id, stored, { ...given, name: 'accounts.create' });
  }
  await results.store('unheard of', { token: SECRET, other: SECRET }, given);
  await results.saveGroup('g', [...ids, 'unheard of']);
  expect(await everything(record)).toMatch(new RegExp(Buffer.from(SECRET).toString('hex')));
  const epoch = String(JSON.parse(frames[0] ?? '').epoch);
  const asked = [...questions([...ids, 'unheard of']), `/api/changes?wait=20&topics=tasks,events&after=${epoch}:0`];
  let stored = 0;
  for (const path of asked) {
    const response = await fetch(new URL(path, String(url)));
    const text = await response.text();
    expectNone(path, text);
    if (path.startsWith('/api/results/')) stored += Number(text.includes('"celerycam.celery_taskmeta"'));
    if (path.startsWith('/api/changes')) expect(text).toContain("{'shown': 'yes'}");
  }
  expect(stored).toBe(ids.length + 1);
  const stream = await fetch(new URL('/api/changes?stream&snapshot=true&topics=tasks,workers,events', String(url)));
  let streamed = '';
  for await (const chunk of stream.body ?? []) {
    streamed += Buffer.from(chunk).toString();
    if (streamed.includes('event: live')) break;
  }
  expect(streamed).toContain("{'shown': 'yes'}");
  expectNone('server-sent events', streamed);
  for (const id of ids) {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      CLI,
      'explain',
      id,
      '--database',
      database.url,
    ]);
    expect(stdout).toMatch(/\w/);
    expectNone(`explain ${id}`, stdout + stderr);
  }
  // What is not secret is still there, and equal values can be recognised.
  const kwargs: string[] = await record
    .knex('task_states')
    .whereIn('task_id', ['one by one', 'as a list'])
    .pluck('kwargs');
  expect(kwargs).toHaveLength(2);
  expect(kwargs[0]).toBe(kwargs[1]);
  expect(kwargs[0]).toMatch(
    /^\{'user': 'ann', 'password': '\*\*\*', 'account': 'sha256:[0-9a-f]{32}', 'in': \{'token': '\*\*\*'\}\}$/,
  );
  socket.terminate();

  // After a restart the name of a task is known from before.
  expect(await program.stop()).toBe(0);
  await using again = new Program({ ...options, queue: 'celerycam', routingKey: '#' });
  await again.ready();
  const later = ['one by one', 'last'].map((uuid) =>
    told('task-succeeded', uuid, { result: `'${SECRET.slice(0, 3)}'` }),
  );
  await sender.send(later, 'task.succeeded');
  await again.pictured(count + 2);
  const newest = await record.knex('events').orderBy('position', 'desc').limit(2).pluck('body');
  expect(newest.map((body) => JSON.parse(body).result).sort()).toEqual(["'hun'", '***']);
  expect(tables).not.toContain(KEY);
  expectNone('log', JSON.stringify(again.lines));
});

test('nor in a dump', { timeout: 60_000 }, async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  const args = ['dump', '--broker', vhost.url, '--redact', rulesFile(), '--routing-key', '#', '--log-format', 'json'];
  const env = { PATH: process.env['PATH'], HOME: scratch(), CELERYCAM_REDACT_KEY: KEY };
  const child = spawn(process.execPath, [CLI, ...args], { env });
  let out = '';
  let err = '';
  const shown = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.includes('shown')) resolve();
    });
  });
  const ready = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => {
      err += chunk;
      if (err.includes('"consuming"')) resolve();
    });
  });
  await ready;
  await sender.send(bodies(), 'task.multi');
  await shown;
  child.kill('SIGTERM');
  await once(child, 'close');
  expectNone('dump', out);
  expect(err).toContain('could not be decoded');
  expectNone('log', err);
});
