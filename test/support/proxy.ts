/** A TCP proxy in front of a server that can cut its connections, refuse new ones, or go silent without a word. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket, type TlsOptions } from 'node:tls';

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections were made through it so far. */
  readonly connections: number;
  /** Resets all connections, frozen ones too; the other side sees a reset as well. */
  cut(): void;
  /** Forgets both sides of all connections without closing them: a half-open connection. New ones are silent as well. */
  freeze(): void;
  /** New connections are reset at once. */
  refuse(): void;
  /** New connections pass again. */
  pass(): void;
}

/** @param tls Ends TLS here, so that the server behind needs none. */
export async function openProxy(
  target: { readonly host: string; readonly port: number },
  tls?: TlsOptions,
): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const frozen = new Set<Socket>();
  let mode: 'pass' | 'silent' | 'refuse' = 'pass';
  let connections = 0;

  const onConnection = (client: Socket): void => {
    connections++;
    client.on('error', () => {});
    if (mode === 'refuse') {
      reset(client);
      return;
    }
    if (mode === 'silent') {
      frozen.add(client);
      client.pause();
      return;
    }
    const server = connect(target.port, target.host);
    server.on('error', () => {
      // Of a frozen one nobody hears that its server has given it up.
      if (!frozen.has(server)) client.destroy();
    });
    const pair = [client, server] as const;
    pairs.add(pair);
    client.pipe(server);
    server.pipe(client);
    for (const socket of pair) {
      socket.on('close', () => {
        if (!pairs.delete(pair)) return;
        client.destroy();
        server.destroy();
      });
    }
  };
  const proxy: Server = tls ? createTlsServer(tls, onConnection) : createServer(onConnection);
  proxy.on('tlsClientError', () => {});
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');

  return {
    port: (proxy.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    cut() {
      for (const pair of pairs) {
        pairs.delete(pair);
        for (const socket of pair) reset(socket);
      }
      for (const socket of frozen) reset(socket);
      frozen.clear();
    },
    freeze() {
      mode = 'silent';
      for (const pair of pairs) {
        pairs.delete(pair);
        const [client, server] = pair;
        client.unpipe(server);
        server.unpipe(client);
        for (const socket of pair) {
          socket.pause();
          frozen.add(socket);
        }
      }
    },
    refuse() {
      mode = 'refuse';
    },
    pass() {
      mode = 'pass';
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      for (const socket of frozen) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}

/** One in front of the server of a URL, and the URL through it. */
export async function openProxyTo(url: string): Promise<TcpProxy & { readonly url: string }> {
  const address = new URL(url);
  const port = Number(address.port) || (address.protocol.startsWith('amqp') ? 5672 : 5432);
  const proxy = await openProxy({ host: address.hostname, port });
  address.host = `127.0.0.1:${proxy.port}`;
  return Object.assign(proxy, { url: address.href });
}

/** TLS sockets have no reset of their own. */
function reset(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
