/** Clients that mean harm, or do it: too long, too slow, too often, or never done. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Hub } from '../../src/live/hub.ts';
import { createRecord, taskRow, tasksAnswer } from '../support/questions.ts';
import { ask, frame, HANDSHAKE, live, raw, start, upgraded } from '../support/serving.ts';

test('what is too long, malformed or of unknown length is refused', async () => {
  await using server = await start();
  const head = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n';
  const post = 'POST /api/ticket HTTP/1.1\r\nhost: localhost\r\n';
  expect(await raw(server, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 .*"error"/s);
  expect(await raw(server, `${head}x: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  expect(await raw(server, 'hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 .*"error"/s);
  expect(await raw(server, `${head}a b: c\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(server, 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(server, `${post}content-length: 70000\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 .*"error"/s);
  expect(await raw(server, `${post}content-length: -1\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(server, `${post}transfer-encoding: chunked\r\n\r\n`)).toMatch(/^HTTP\/1.1 411 .*"error"/s);
  expect(await raw(server, `${post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 400 /,
  );
  expect((await ask(server, '/healthz')).status).toBe(200);
});

test('whoever drips a request is cut off, and holds nobody up', { timeout: 30_000 }, async () => {
  await using server = await start();
  const slow = raw(server, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n');
  const body = raw(server, 'POST /api/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc');
  expect((await ask(server, '/healthz')).status).toBe(200);
  expect(await slow).toMatch(/^HTTP\/1.1 408 .*"error"/s);
  await body;
});

test('one address cannot take all connections, and the feed has a limit of clients', async () => {
  await using server = await start({ maxConnections: '6', maxClients: '2' });
  const { port } = new URL(server.url);
  const held = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const socket = connect(Number(port), '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    }),
  );
  const fourth = connect(Number(port), '127.0.0.1');
  fourth.on('error', () => {});
  fourth.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await new Promise((resolve) => fourth.once('close', resolve));
  expect(fourth.bytesRead).toBe(0);
  for (const socket of held) {
    const gone = once(socket, 'close');
    socket.destroy();
    await gone;
  }
  await using other = await start({ maxClients: '1' });
  const one = new WebSocket(`${other.url.replace('http', 'ws')}/live`);
  await once(one, 'message');
  expect(await live(other)).toBe(503);
  one.terminate();
});

test('a frame that is too long ends its client, and nobody else', async () => {
  await using server = await start();
  const url = `${server.url.replace('http', 'ws')}/live`;
  const [bad, good] = [new WebSocket(url), new WebSocket(url)];
  await Promise.all([once(bad, 'message'), once(good, 'message')]);
  bad.on('error', () => {});
  bad.send('x'.repeat(70_000));
  const [code] = await once(bad, 'close');
  expect([1009, 1006]).toContain(code);
  expect(good.readyState).toBe(WebSocket.OPEN);
  good.terminate();
});

test('a client that pings without pause is ended', async () => {
  await using server = await start();
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live`);
  await once(socket, 'message');
  let answered = 0;
  socket.on('pong', () => {
    answered += 1;
    if (answered < 1000) socket.ping();
    else socket.terminate();
  });
  socket.ping();
  const [code, reason] = await once(socket, 'close');
  expect([code, String(reason)]).toEqual([1008, 'too many messages']);
  expect(answered).toBeGreaterThanOrEqual(200);
});

/** Resolves when a connection is gone, broken off or not. */
const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

/** What a WebSocket ends with: the code of the last frame, which is a close without words; null: it was cut. */
async function endOf(socket: Socket): Promise<number | null> {
  let last = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    last = Buffer.concat([last, chunk]).subarray(-4);
  });
  await closed(socket);
  return last[0] === 0x88 && last[1] === 2 ? last.readUInt16BE(2) : null;
}

test.each([
  ['without a mask', frame(1, '{}', { masked: false }), 1002],
  ['compressed, which was not agreed on', frame(1, 'x', { rsv: 4 }), 1002],
  ['of a kind that there is not', frame(3), 1002],
  ['a ping that is too long', frame(9, 'x'.repeat(126)), 1002],
  ['a ping in parts', frame(9, 'x', { fin: false }), 1002],
  ['a part of nothing', frame(0, 'x'), 1002],
  ['text that is none', frame(1, '\xff\xfe'), 1007],
  ['as long as can be said', Buffer.from('81ff7fffffffffffffff00000000', 'hex'), 1009],
  [
    'parts without end',
    Buffer.concat([frame(1, 'x', { fin: false }), ...Array(200).fill(frame(0, '', { fin: false }))]),
    1008,
  ],
])('a frame %s ends its client, and nobody else', async (_, bytes, code) => {
  await using server = await start();
  const [bad, good] = [
    await upgraded(server, ['sec-websocket-extensions: permessage-deflate']),
    await upgraded(server),
  ];
  bad.write(bytes);
  expect(await endOf(bad)).toBe(code);
  expect(good.readyState).toBe('open');
  good.destroy();
});

test('compression is not agreed on', async () => {
  await using server = await start();
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live`, { perMessageDeflate: true });
  await once(socket, 'open');
  expect(socket.extensions).toBe('');
  socket.terminate();
});

test('a client that sends much that means nothing is cut', async () => {
  await using server = await start();
  const socket = await upgraded(server);
  const gone = closed(socket);
  const pongs = Buffer.concat(Array(1000).fill(frame(10, 'x')));
  let sent = 0;
  const send = (): void => {
    for (; sent < 64 << 20; sent += pongs.length) {
      if (!socket.write(pongs)) {
        socket.once('drain', send);
        return;
      }
    }
    socket.destroy();
  };
  send();
  await gone;
  expect(sent).toBeLessThan(64 << 20);
});

test('who is sent away is not listened to any more, and is cut when it does not go', { timeout: 15_000 }, async () => {
  const subscribe = vi.spyOn(Hub.prototype, 'subscribe');
  await using server = await start();
  const socket = await upgraded(server);
  const message = frame(1, '{"type":"subscribe"}');
  const gone = closed(socket);
  // Said goodbye to, it does not answer.
  socket.write(Buffer.concat(Array(60).fill(message)));
  const told = once(socket, 'data');
  await told;
  const calls = subscribe.mock.calls.length;
  expect(calls).toBeLessThanOrEqual(51);
  const talk = setInterval(() => socket.write(message), 300);
  await gone;
  clearInterval(talk);
  expect(subscribe.mock.calls).toHaveLength(calls);
});

test('whatever a client asks us to be called', async () => {
  await using open = await start({ host: '0.0.0.0', insecure: true });
  const server = { ...open, url: open.url.replace('0.0.0.0', '127.0.0.1') };
  for (const host of ['localhost:99999', '127.999.999.999', 'a b', '[', 'x'.repeat(10_000), '%00', 'a@b', 'a/b?c#d']) {
    const answer = await raw(server, `GET /api/tasks HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    expect([host, answer.split('\r\n', 1)]).toEqual([host, ['HTTP/1.1 200 OK']]);
  }
  expect(await raw(server, 'GET /api/tasks HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
});

test('what a request expects changes nothing', async () => {
  await using server = await start({ rateLimit: '1/s', basicAuth: ['a:b'] });
  const statuses: number[] = [];
  for (let n = 0; n < 12; n++) statuses.push((await ask(server, '/api/cluster', { expect: 'tea' })).status);
  expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
});

test('of many headers the last ones count, too', async () => {
  await using server = await start({ proxyUserHeader: 'X-User', trustedProxy: ['127.0.0.1'] });
  const many = Array.from({ length: 2500 }, () => 'a:\r\n').join('');
  const answer = await raw(
    server,
    `GET /api/cluster HTTP/1.1\r\nhost: localhost\r\n${many}x-user: ann\r\nconnection: close\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
});

test('every refusal of a WebSocket has the headers of an answer, and says why', async () => {
  await using server = await start({ basicAuth: ['a:b'] });
  const login = 'authorization: Basic YTpi';
  for (const [path, ...lines] of [
    ['/live', ...HANDSHAKE],
    ['/elsewhere', login, ...HANDSHAKE],
    ['/live', login, 'connection: upgrade', 'upgrade: tea'],
    ['/live', login, ...HANDSHAKE.slice(0, 2), 'sec-websocket-version: 99', 'sec-websocket-key: AAAA'],
  ]) {
    const text = await raw(server, `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join('\r\n')}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 4\d\d .*\r\nx-content-type-options: nosniff\r\n.*\{"error":"\w.*"\}$/s);
  }
});

test('preflights are counted, too', async () => {
  await using server = await start({ rateLimit: '1/s', corsOrigin: ['https://ops.example'] });
  const headers = { origin: 'https://ops.example', 'access-control-request-method': 'GET' };
  const statuses: number[] = [];
  for (let n = 0; n < 12; n++) statuses.push((await ask(server, '/api/cluster', headers, 'OPTIONS')).status);
  expect([statuses[0], statuses.at(-1)]).toEqual([204, 429]);
});

test('answers that their clients do not take are cut when they are too many', async () => {
  const args = 'x'.repeat(8 << 20);
  const tasks = async () => tasksAnswer([taskRow('t', { args })]);
  let tell = (_: object): void => {};
  const cut = new Promise<object>((resolve) => {
    tell = resolve;
  });
  const log = { debug() {}, info() {}, warn: tell, error() {} };
  await using server = await start({}, undefined, { log, questions: createRecord({ tasks }) });
  const { hostname, port } = new URL(server.url);
  const sockets = Array.from({ length: 30 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.pause();
    socket.write('GET /api/tasks?format=csv HTTP/1.1\r\nhost: localhost\r\n\r\n');
    return socket;
  });
  expect(await cut).toEqual({ path: '/api/tasks' });
  expect((await ask(server, '/healthz')).status).toBe(200);
  for (const socket of sockets) socket.destroy();
});
