/** The HTTP server and the WebSocket upgrade on the same port: who may talk to it, and how it stops. */
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createAdaptorServer } from '@hono/node-server';
import { WebSocketServer } from 'ws';
import { MonitorError } from '../errors.ts';
import type { Hub } from '../live/hub.ts';
import { type ApiSources, createRoutes } from './routes.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** A server that listens. */
export interface Server extends AsyncDisposable {
  /** Where a browser finds it. */
  readonly url: string;
}

/** Bytes of a client's frame; clients have nothing long to say. */
const MAX_FRAME = 64 << 10;

/** @throws MonitorError LISTEN_FAILED */
export async function listen(sources: ApiSources, hub: Hub, { host, port }: ServerOptions): Promise<Server> {
  const routes = createRoutes(sources);
  const server = createAdaptorServer({
    fetch: (request: Request, bindings: unknown) => {
      const refusal = refuses(host, request.headers.get('host'), null);
      return refusal ? Response.json({ error: refusal }, { status: 403 }) : routes.fetch(request, bindings as object);
    },
  }) as HttpServer;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const refusal = refuses(host, request.headers.host ?? null, request.headers.origin ?? null);
    if (pathname !== '/live') reject(socket, '404 Not Found', 'the live feed is at /live');
    else if (refusal) reject(socket, '403 Forbidden', refusal);
    else sockets.handleUpgrade(request, socket, head, (client) => hub.attach(client));
  });
  await new Promise<void>((resolve, fail) => {
    server.once('error', (cause: NodeJS.ErrnoException) => fail(listenFailure(cause, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    [Symbol.asyncDispose]: async () => {
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.close(resolve));
      await hub[Symbol.asyncDispose]();
      server.closeIdleConnections();
      const impatience = setTimeout(() => server.closeAllConnections(), 1000);
      await closed;
      clearTimeout(impatience);
    },
  };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/;

/**
 * Why a request is not answered; null when it is. While celerycam listens to this machine only, a page of some other site
 * must not read it through the visitor's browser: not by a name that resolves here (DNS rebinding), and not by a
 * WebSocket, to which browsers let every origin connect.
 */
function refuses(listening: string, host: string | null, origin: string | null): string | null {
  const name = host?.replace(/:\d+$/, '').toLowerCase() ?? '';
  if (LOOPBACK.test(listening) && !LOOPBACK.test(name) && name !== listening) {
    return `asked as ${name || 'nobody'}, but celerycam listens to this machine only: use localhost, or listen with --host`;
  }
  if (origin !== null && origin.replace(/^\w+:\/\//, '').toLowerCase() !== host?.toLowerCase()) {
    return `pages of ${origin} may not connect here`;
  }
  return null;
}

function reject(socket: Duplex, status: string, error: string): void {
  const body = JSON.stringify({ error });
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`);
}

function listenFailure(cause: NodeJS.ErrnoException, host: string, port: number): MonitorError {
  const why =
    cause.code === 'EADDRINUSE'
      ? 'the port is in use: another celerycam, or Flower? Choose another with --port'
      : `${cause.message}; see --host and --port`;
  return new MonitorError('LISTEN_FAILED', `cannot listen on ${host}:${port}: ${why}`, { cause });
}
