import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Unread } from '../../src/http/unread.ts';

/** More than a connection takes that nobody reads. */
const ANSWER = Buffer.alloc(32 << 20);

const server = createServer();
const cut: string[] = [];
let unread: Unread;

beforeEach(async () => {
  cut.length = 0;
  unread = new Unread(({ req }) => cut.push(String(req.url)), 3.5 * ANSWER.length);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  unread[Symbol.dispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A client that asks and reads nothing, and the answer to it, which is written already, or a part of it. */
async function ask(
  path: string,
  isWhole = true,
): Promise<{ readonly socket: Socket; readonly response: ServerResponse }> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  const asked = once(server, 'request');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  const [, response] = (await asked) as [unknown, ServerResponse];
  unread.add(response);
  if (isWhole) response.end(ANSWER);
  else response.write(ANSWER);
  return { socket, response };
}

test('of answers that nobody takes those are cut that wait longest, and no more than must be', async () => {
  const answers = [await ask('/1'), await ask('/2'), await ask('/3')];
  unread.look();
  expect(cut).toEqual([]);
  answers.push(await ask('/4'), await ask('/5'));
  unread.look();
  expect(cut).toEqual(['/1', '/2']);
  for (const { response } of answers.slice(0, 2)) if (!response.closed) await once(response, 'close');
  unread.look();
  expect(cut).toHaveLength(2);
});

test('who takes an answer, slowly too, is cut after who takes none', async () => {
  const { socket, response } = await ask('/slow', false);
  await ask('/2');
  unread.look();
  socket.resume();
  await once(response, 'drain');
  socket.pause();
  response.write(ANSWER);
  unread.look();
  await ask('/3');
  await ask('/4');
  unread.look();
  expect(cut).toEqual(['/2']);
});

test('what was answered is forgotten, and what was cut', async () => {
  const { socket, response } = await ask('/1');
  const done = once(response, 'close');
  expect(unread.size).toBe(1);
  socket.resume();
  await done;
  const answers = [await ask('/2'), await ask('/3'), await ask('/4'), await ask('/5')];
  const [cutFirst] = answers;
  const gone = once(cutFirst?.response as ServerResponse, 'close');
  unread.look();
  await gone;
  expect([unread.size, cut]).toEqual([3, ['/2']]);
});
