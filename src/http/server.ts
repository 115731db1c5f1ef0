/** The HTTP server and the WebSocket upgrade on the same port: who gets in, what goes out with every answer, and how it stops. */
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { type WebSocket, WebSocketServer } from 'ws';
import type { HttpConfig } from '../config.ts';
import { MonitorError } from '../errors.ts';
import type { Hub } from '../live/hub.ts';
import type { Tokens } from '../store/tokens.ts';
import { Access, LOOPBACK, type Refusal, surfaceOf } from './access.ts';
import { TICKET_LIFE, Tickets, TokenBook, type Who } from './book.ts';
import { changesRoute } from './changes.ts';
import { clientReader } from './client.ts';
import { Guard, isPreflight, PREFLIGHT } from './guard.ts';
import { Buckets, BYTES, MESSAGES, SERVER_LIMITS, SILENCE, SOCKET_LIMITS } from './limits.ts';
import { type ApiSources, createRoutes } from './routes.ts';
import { Unread } from './unread.ts';

/** What is left out is as `loadConfig` has it. */
export interface ServerOptions extends Partial<HttpConfig> {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** A server that listens. */
export interface Server extends AsyncDisposable {
  /** Where a browser finds it. */
  readonly url: string;
}

const DEFAULTS: Omit<HttpConfig, 'host' | 'port'> = {
  urlPrefix: '',
  insecure: false,
  basicAuth: [],
  proxyUserHeader: null,
  proxyRole: 'viewer',
  trustedProxies: [],
  public: ['health'],
  operatorOnly: [],
  corsOrigins: [],
  rateLimit: 200,
  maxConnections: 5000,
  maxClients: 2000,
};

/** Goes out with every answer. Pages get nothing from elsewhere, run no script of their own, and stand in no frame. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Goes out to those who speak another version of the protocol. */
const VERSION_HEADER = { 'sec-websocket-version': '13' };

/**
 * @param tokens null: there is no database to hold any
 * @throws MonitorError LISTEN_FAILED, DATABASE_UNREACHABLE
 */
export async function listen(
  sources: ApiSources & { readonly tokens?: Pick<Tokens, 'list'> },
  hub: Hub,
  given: ServerOptions,
): Promise<Server> {
  const options = { ...DEFAULTS, ...given };
  const { host, port } = options;
  const book = new TokenBook(sources.tokens ?? { list: async () => [] });
  const tickets = new Tickets();
  const onFailure = ({ address }: { address: string }): void => sources.log.warn({ address }, 'a login failed');
  const access = new Access(options, { book, tickets, onFailure });
  const guard = new Guard(options, access);
  /** Feeds that go on, each with whom it was opened for and how to end it. */
  const feeds = new Set<{ readonly who: Who | null; readonly end: () => void }>();
  const isFull = (): boolean => feeds.size >= options.maxClients;
  const follow = (who: Who | null, from: WebSocket | ServerResponse, end: () => void): void => {
    const feed = { who, end };
    feeds.add(feed);
    from.once('close', () => feeds.delete(feed));
  };
  await book.open(() => {
    for (const { who, end } of feeds) if (who !== null && !book.isGood(who)) end();
  });

  const unread = new Unread(({ req: { url = '' } }) => {
    sources.log.warn({ path: url.split('?')[0] }, 'an answer was cut that its client did not take');
  });
  const full = { status: 503, error: `there are ${options.maxClients} clients already; see --max-clients` };
  const routes = createRoutes(sources);
  routes.get('/api/changes', changesRoute(hub, sources.clock));
  const answer = getRequestListener(routes.fetch);
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    const cors = guard.corsHeaders(request);
    for (const [name, value] of Object.entries({ ...HEADERS, ...cors })) response.setHeader(name, value);
    if (isPreflight(request) && 'access-control-allow-origin' in cors) {
      const refusal = guard.limit(request);
      if (refusal) refuse(request, response, refusal);
      else response.writeHead(204, PREFLIGHT).end();
      return;
    }
    const passed = guard.check(request, false);
    if ('status' in passed) refuse(request, response, passed);
    else if (passed.target.path === '/api/ticket') giveTicket(request, response, tickets.issue(passed.who));
    else {
      const isFeed = surfaceOf(passed.target.path) === 'live';
      if (isFeed && isFull()) {
        refuse(request, response, full);
        return;
      }
      if (isFeed) follow(passed.who, response, () => response.destroy());
      else unread.add(response);
      request.url = passed.url;
      // Routes have no use for it, and it may be none that a URL can hold.
      request.headers.host = 'localhost';
      void answer(request, response);
    }
  };
  const server = createServer(SERVER_LIMITS, respond);
  // Node would refuse it by itself, past all limits.
  server.on('checkExpectation', respond);
  server.timeout = SILENCE;
  // Their bytes are limited; of many Node would leave out the last, which may be a proxy's.
  server.maxHeadersCount = 0;
  server.maxConnections = options.maxConnections;
  server.on('connection', limitPerAddress(options));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else reject(socket, malformed(error));
  });

  const sockets = new WebSocketServer({ noServer: true, ...SOCKET_LIMITS });
  sockets.on('wsClientError', ({ message }, socket) =>
    reject(socket, { status: 400, error: `no WebSocket can be opened by this: ${message}`, headers: VERSION_HEADER }),
  );
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const passed = guard.check(request, true);
    if ('status' in passed) reject(socket, passed);
    else if (passed.target.path !== '/live') reject(socket, { status: 404, error: 'the live feed is at /live' });
    else if (isFull()) reject(socket, full);
    else {
      sockets.handleUpgrade(request, socket, head, (client) => {
        follow(passed.who, client, () => client.close(1008, 'the token was revoked'));
        limitMessages(client);
        limitBytes(client, socket);
        hub.attach(client, new URL(passed.url, 'http://localhost').searchParams);
      });
    }
  });
  await new Promise<void>((resolve, fail) => {
    server.once('error', (cause: NodeJS.ErrnoException) => fail(listenFailure(cause, host, port)));
    server.listen(port, host, resolve);
  });
  if (!LOOPBACK.test(host) && !access.required) {
    sources.log.warn({ host }, 'nobody has to log in: whoever reaches this address sees everything');
  }
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    [Symbol.asyncDispose]: async () => {
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.close(resolve));
      unread[Symbol.dispose]();
      await book[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      server.closeIdleConnections();
      const impatience = setTimeout(() => server.closeAllConnections(), 1000);
      await closed;
      clearTimeout(impatience);
    },
  };
}

/** Half of the connections for one address, so that nobody shuts out all others; trusted proxies speak for many. */
function limitPerAddress({ maxConnections, trustedProxies }: HttpConfig): (socket: Socket) => void {
  const counts = new Map<string, number>();
  const most = Math.ceil(maxConnections / 2);
  const clientOf = clientReader(trustedProxies);
  return (socket) => {
    const { address, proxied } = clientOf({ socket, headers: {} } as IncomingMessage);
    const count = (counts.get(address) ?? 0) + 1;
    if (count > most && !proxied) {
      socket.destroy();
      return;
    }
    counts.set(address, count);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    });
  };
}

/** Ends a client that talks without pause, pings included, which have to be answered. */
function limitMessages(client: WebSocket): void {
  const bucket = new Buckets(MESSAGES.rate, MESSAGES.burst);
  const count = (): void => {
    if (bucket.take('') > 0) client.close(1008, 'too many messages');
  };
  client.on('message', count);
  client.on('ping', count);
}

/** Cuts a client that sends more than anybody has to say, by whatever frames. */
function limitBytes(client: WebSocket, socket: Duplex): void {
  const bucket = new Buckets(BYTES.rate, BYTES.burst);
  socket.on('data', ({ length }: Buffer) => {
    if (bucket.take('', length) > 0) client.terminate();
  });
}

function giveTicket({ method }: IncomingMessage, response: ServerResponse, ticket: string): void {
  if (method === 'POST') send(response, 200, { ticket, expires_in: TICKET_LIFE });
  else {
    response.setHeader('allow', 'POST');
    send(response, 405, { error: `a ticket is given for POST; got ${method}` });
  }
}

/** Answers with JSON, and does not wait for a body that it does not want. */
function refuse(request: IncomingMessage, response: ServerResponse, { status, error, headers = {} }: Refusal): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (status === 413 || status === 411) response.setHeader('connection', 'close');
  send(response, status, { error });
  request.resume();
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** The same where there is no response to write to. */
function reject(socket: Duplex, { status, error, headers = {} }: Refusal): void {
  const body = JSON.stringify({ error });
  const all = {
    ...HEADERS,
    ...{ 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), connection: 'close' },
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}

/** What Node's parser, or its patience, did not bear. */
function malformed({ code }: NodeJS.ErrnoException): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return {
      status: 431,
      error: `the request line and headers are too long; expected ${SERVER_LIMITS.maxHeaderSize} bytes at most`,
    };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { status: 408, error: 'the request did not arrive in time' };
  return { status: 400, error: 'this is no HTTP request that can be read' };
}

function listenFailure(cause: NodeJS.ErrnoException, host: string, port: number): MonitorError {
  const why =
    cause.code === 'EADDRINUSE'
      ? 'the port is in use: another celerycam, or Flower? Choose another with --port'
      : `${cause.message}; see --host and --port`;
  return new MonitorError('LISTEN_FAILED', `cannot listen on ${host}:${port}: ${why}`, { cause });
}
