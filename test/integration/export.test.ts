/** Exports over real connections: as fast as they are read, ended with their reader, and never cut without saying so. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MonitorError } from '../../src/errors.ts';
import type { Questions } from '../../src/http/questions.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { FakeServer } from '../support/feed.ts';
import { Program } from '../support/program.ts';
import { createRecord, taskRow, tasksAnswer } from '../support/questions.ts';
import { event, openSender } from '../support/receiving.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';
import { apiSources } from '../support/sources.ts';

const MB = 1 << 20;

async function serve(tasks: Questions['tasks']): Promise<Server> {
  const { clusters, hub } = new FakeServer();
  return listen(apiSources({ clusters, questions: createRecord({ tasks }) }), hub, { host: '127.0.0.1', port: 0 });
}

async function open(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url), 'response')) as [IncomingMessage];
  return response;
}

/** Pages of a megabyte without end. */
function endless(): { readonly tasks: Questions['tasks']; readonly asked: () => number } {
  const rows = Array.from({ length: 100 }, (_, n) => taskRow(`t${n}`, { args: 'x'.repeat(MB / 100) }));
  let asked = 0;
  const tasks: Questions['tasks'] = async () => {
    asked += 1;
    return tasksAnswer(rows, String(asked));
  };
  return { tasks, asked: () => asked };
}

test.each(['csv', 'ndjson'])('%s is made as fast as it is read', async (format) => {
  const { tasks, asked } = endless();
  await using server = await serve(tasks);
  const response = await open(`${server.url}/api/tasks?format=${format}`);
  let read = 0;
  for await (const chunk of response) {
    read += chunk.length;
    // Whoever did not wait for the reader would have all this time to be far ahead.
    await setImmediate();
    expect(asked() * MB).toBeLessThan(read + 16 * MB);
    if (read > 40 * MB) break;
  }
});

test('it ends when its reader is gone', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = 0;
  let tellSecond = (): void => {};
  const second = new Promise<void>((resolve) => {
    tellSecond = resolve;
  });
  const server = await serve(async () => {
    asked += 1;
    if (asked === 2) {
      tellSecond();
      await held;
    }
    return tasksAnswer([taskRow(`t${asked}`, { args: 'x'.repeat(MB) })], String(asked));
  });
  const response = await open(`${server.url}/api/tasks?format=ndjson`);
  response.resume();
  await second;
  response.destroy();
  // Once it is closed, the connection is known to be gone.
  await server[Symbol.asyncDispose]();
  release();
  for (let n = 0; n < 20; n++) await setImmediate();
  expect(asked).toBe(2);
});

test('50,000 tasks in little memory', async () => {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  // Durable: what waits for the database is not lost.
  const options = { broker: vhost.url, database: database.url, queue: 'celerycam', maxTasks: 1000 };
  await using program = new Program(options);
  await program.ready();
  await using sender = await openSender(vhost.url);
  const COUNT = 50_000;
  // 2 KB each, 100 MB in all.
  const args = 'x'.repeat(2000);
  for (let first = 1; first <= COUNT; first += 500) {
    const events = Array.from({ length: 500 }, (_, n) => ({ ...event(first + n, 'task-received'), name: 'n', args }));
    await sender.send([events]);
  }
  await program.pictured(COUNT);
  const { url } = await program.until('serving', ({ msg }) => msg === 'serving');
  program.forgetPeak();
  const before = program.memory('VmHWM');
  for (const format of ['ndjson', 'csv']) {
    const response = await open(`${url}/api/tasks?format=${format}`);
    let bytes = 0;
    let lines = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
    }
    expect([format, lines]).toEqual([format, COUNT + (format === 'csv' ? 1 : 0)]);
    expect(bytes).toBeGreaterThan(90 * MB);
  }
  expect((program.memory('VmHWM') - before) / MB).toBeLessThan(80);
});

test('a cut list is never taken for a whole one', async () => {
  await using server = await serve(async ({ cursor }) => {
    if (cursor !== null) throw new MonitorError('DATABASE_UNREACHABLE', 'the database failed: it is gone');
    return tasksAnswer([taskRow('t1')], '1');
  });
  const csv = fetch(`${server.url}/api/tasks?format=csv`).then(async (response) => response.text());
  await expect(csv).rejects.toThrow();
  const lines = (await (await fetch(`${server.url}/api/tasks?format=ndjson`)).text()).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ task_id: 't1' }),
    { error: 'the database failed: it is gone' },
  ]);
});
