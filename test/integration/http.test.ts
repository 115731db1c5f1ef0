import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { feedMessage } from '../../src/contract/feed.ts';
import { MonitorError } from '../../src/errors.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { FakeServer } from '../support/feed.ts';
import { apiSources } from '../support/sources.ts';

async function start(host = '127.0.0.1', port = 0): Promise<Server> {
  const { clusters, hub } = new FakeServer();
  return listen(apiSources({ clusters }), hub, { host, port });
}

/** The status and body of a raw request: fetch does not let one choose the Host header. */
async function raw(url: string, ...lines: string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(`${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

test('serves the API and the feed on one port', async () => {
  await using server = await start();
  expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ ok: true });
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live`);
  const [hello] = await once(socket, 'message');
  expect(feedMessage.parse(JSON.parse(String(hello)))).toMatchObject({ type: 'hello', position: 0 });
  const closed = once(socket, 'close');
  await server[Symbol.asyncDispose]();
  expect((await closed)[0]).toBe(1001);
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});

test('frames are not compressed, though a client offers it: that would cost memory and time for each of them', async () => {
  await using server = await start();
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live`, { perMessageDeflate: true });
  await once(socket, 'open');
  expect(socket.extensions).toBe('');
  socket.terminate();
});

test('closes although a connection is kept alive or a request never ends', async () => {
  const server = await start();
  await fetch(`${server.url}/healthz`);
  const { hostname, port } = new URL(server.url);
  const stuck = connect(Number(port), hostname);
  await once(stuck, 'connect');
  stuck.write('GET / HTTP/1.1\r\n');
  stuck.on('error', () => {});
  const gone = once(stuck, 'close');
  await server[Symbol.asyncDispose]();
  await gone;
});

test('a port in use is said', async () => {
  await using server = await start();
  const { port } = new URL(server.url);
  const failure = await start('127.0.0.1', Number(port)).catch((error: unknown) => error);
  expect(MonitorError.is(failure, 'LISTEN_FAILED')).toBe(true);
  expect(String(failure)).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
});

test('no page of another site gets an answer: neither by a name that resolves here nor by a WebSocket', async () => {
  await using server = await start();
  const { host } = new URL(server.url);
  expect(await raw(server.url, 'GET /api/cluster HTTP/1.1', 'host: evil.example')).toMatch(
    /^HTTP\/1.1 403 .*evil.example/s,
  );
  expect(await raw(server.url, 'GET /api/cluster HTTP/1.1', 'host: localhost:1')).toMatch(/^HTTP\/1.1 200/);
  const upgrade = [
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
  ];
  const live = (...lines: string[]) => raw(server.url, 'GET /live HTTP/1.1', ...upgrade, ...lines);
  expect(await live(`host: ${host}`, 'origin: https://evil.example')).toMatch(/^HTTP\/1.1 403/);
  expect(await live('host: evil.example', 'origin: http://evil.example')).toMatch(/^HTTP\/1.1 403/);
  const other = new WebSocket(`ws://${host}/elsewhere`);
  const [error] = await once(other, 'error');
  expect(String(error)).toContain('404');
  const own = new WebSocket(`ws://${host}/live`, { origin: server.url });
  await once(own, 'message');
  own.terminate();
});

test('listening to everybody, any name will do', async () => {
  await using server = await start('0.0.0.0');
  expect(await raw(server.url, 'GET /healthz HTTP/1.1', 'host: monitor.example')).toMatch(/^HTTP\/1.1 200/);
});
