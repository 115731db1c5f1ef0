/** A server with options as people write them, and clients that ask it in any way that bytes allow. */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { type Flags, loadConfig } from '../../src/config.ts';
import type { ApiSources } from '../../src/http/routes.ts';
import { listen, type Server } from '../../src/http/server.ts';
import type { Tokens } from '../../src/store/tokens.ts';
import { FakeServer } from './feed.ts';
import { apiSources } from './sources.ts';

export interface Started extends Server {
  readonly warned: object[];
}

/** A server with options as people write them. */
export async function start(
  flags: Flags = {},
  tokens?: Pick<Tokens, 'list'>,
  change: Partial<ApiSources> = {},
): Promise<Started> {
  const warned: object[] = [];
  const log = { debug() {}, info() {}, warn: (fields: object) => warned.push(fields), error() {} };
  const sources = apiSources({ log, ...change });
  const { hub } = new FakeServer({ clusters: sources.clusters });
  const { http } = loadConfig({ port: '0', ...flags }, {});
  const server = await listen({ ...sources, ...(tokens && { tokens }) }, hub, http);
  return Object.assign(server, { warned });
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: { readonly error?: string; readonly ticket?: string };
}

/** A request with the path as it is written: fetch would tidy it up. */
export async function ask(
  server: Server,
  path: string,
  headers: object = {},
  method = 'GET',
  body = '',
): Promise<Answer> {
  const response = await open(server, path, headers, method, body);
  let text = '';
  for await (const chunk of response) text += chunk;
  const isJson = response.headers['content-type'] === 'application/json' && text !== '';
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
}

/** Its status alone: what is answered may have no end. */
export async function statusOf(server: Server, path: string, headers: object, method: string): Promise<number> {
  const response = await open(server, path, headers, method);
  response.destroy();
  return response.statusCode ?? 0;
}

async function open(
  server: Server,
  path: string,
  headers: object,
  method: string,
  body = '',
): Promise<IncomingMessage> {
  const { hostname, port } = new URL(server.url);
  const sent = request({ hostname, port, path, method, headers: { connection: 'close', ...headers } });
  sent.end(body);
  const [response] = await once(sent, 'response');
  return response;
}

/** What comes back for bytes, until the other side closes. */
export async function raw(server: Server, bytes: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(bytes);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  await once(socket, 'close');
  return answer;
}

/** A frame of WebSocket as a client sends it, and as none should. */
export function frame(opcode: number, payload = '', { fin = true, rsv = 0, masked = true } = {}): Buffer {
  const size = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 255];
  const [length = 0, ...more] = size;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode, (masked ? 0x80 : 0) | length, ...more];
  // Masked with zeros: text as it is.
  return Buffer.concat([Buffer.from([...head, ...(masked ? [0, 0, 0, 0] : [])]), Buffer.from(payload, 'latin1')]);
}

/** The bytes of a connection on which a WebSocket was opened, by hand. */
export async function upgraded(server: Server, headers: readonly string[] = []): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  const lines = ['host: localhost', ...HANDSHAKE, ...headers];
  socket.write(`GET /live HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  await once(socket, 'data');
  return socket;
}

export const HANDSHAKE = [
  ...['connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'],
  'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
];

/** The status that a WebSocket is refused with, or 101. */
export async function live(server: Server, path = '/live', headers: Record<string, string> = {}, origin?: string) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers, ...(origin && { origin }) });
  return new Promise<number>((resolve) => {
    socket.on('error', () => {});
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
  });
}

export function basic(login: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
