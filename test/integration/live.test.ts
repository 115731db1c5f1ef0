import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { DEFAULT_SIMULATION } from '../../src/broker/simulator.ts';
import { type Changes, type FeedMessage, feedMessage } from '../../src/contract/feed.ts';
import { Running } from '../support/running.ts';
import { freshDatabase } from '../support/services.ts';

/** Every message of a client of the live feed, until it is closed. */
async function* messagesOf(socket: WebSocket): AsyncGenerator<FeedMessage> {
  const queue: FeedMessage[] = [];
  let wake = (): void => {};
  let open = true;
  socket.on('message', (frame) => {
    queue.push(feedMessage.parse(JSON.parse(String(frame))));
    wake();
  });
  socket.on('close', () => {
    open = false;
    wake();
  });
  while (open || queue.length > 0) {
    for (let message = queue.shift(); message; message = queue.shift()) yield message;
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (!open || queue.length > 0) resolve();
    });
  }
}

test('a live client sees exactly what is recorded, in order and without holes', async () => {
  await using database = await freshDatabase();
  const simulation = { ...DEFAULT_SIMULATION, rate: 500, count: 500, workers: 2 };
  await using running = new Running({ database: database.url }, simulation);
  await running.next('receiver:ready');
  const socket = new WebSocket(`${running.url.replace('http', 'ws')}/live`);
  let closed: unknown = null;
  socket.on('close', (code, reason) => {
    closed = [code, String(reason)];
  });
  const tasks = new Map<string, Changes['tasks'][number]>();
  const workers = new Map<string, Changes['workers'][number]>();
  let position: number | null = null;
  let batches = 0;
  for await (const message of messagesOf(socket)) {
    if (message.type === 'hello') {
      expect(message).toMatchObject({ simulated: true });
      position = message.position;
      continue;
    }
    if (message.type === 'missed') throw new Error('there was no reason for a gap');
    if (message.type !== 'changes') continue;
    expect(message.from).toBe(position);
    position = message.to;
    batches += 1;
    const [{ head } = {}] = await running.query('select max(position)::int head from celerycam.events');
    expect(head).toBeGreaterThanOrEqual(message.to);
    for (const task of message.tasks) tasks.set(task.task_id, task);
    for (const worker of message.workers) workers.set(worker.hostname, worker);
  }
  // With the end of the simulation the program ends, and tells its clients to the last event.
  expect(closed).toEqual([1001, 'celerycam is shutting down']);
  await running.stop();
  expect(batches).toBeGreaterThan(3);
  expect([...workers.values()].map(({ status }) => status)).toEqual(['OFFLINE', 'OFFLINE']);
  const [{ head, snapshot } = {}] = await running.query(
    'select (select max(position) from celerycam.events)::int head, (select max(position) from celerycam.snapshots)::int snapshot',
  );
  expect([position, snapshot]).toEqual([head, head]);
  const rows = await running.query(
    'select task_id, state, result, exception, worker, retries from celerycam.task_states',
  );
  // The client came when the simulation had begun: it has not seen tasks that changed no more.
  expect(tasks.size).toBeGreaterThan(400);
  for (const row of rows) {
    const { state, result, exception, worker, retries } = tasks.get(row['task_id']) ?? {};
    if (state) expect(row).toEqual({ task_id: row['task_id'], state, result, exception, worker, retries });
  }
});
