/** One connection to a broker: opened or refused in plain words, and never left half-open. */
import { type Channel, type ChannelModel, type ConfirmChannel, connect, credentials } from 'amqplib';
import type { Seconds } from '../domain/event.ts';
import { MonitorError, reasonOf, redactUrl } from '../errors.ts';

/** What a connection needs to know beside its URL. */
export interface ConnectionOptions {
  /** For `amqps://`: PEM of the authorities to trust instead of the system's, and of the client's certificate and key. */
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** Between AMQP heartbeats. A peer that was silent for two of them is taken for lost. The broker may ask for less. */
  readonly heartbeat: Seconds;
}

/** A broker that has not let us in after this many seconds is taken for unreachable. */
const CONNECT_TIMEOUT: Seconds = 10;
/** An orderly close may take this many seconds; then the socket is destroyed. */
const CLOSE_TIMEOUT: Seconds = 2;

/** An open connection. Dispose closes it; safe at any time, also twice and when the peer is gone without a word. */
export class Connection implements AsyncDisposable {
  /** As it may be shown. */
  readonly url: string;
  /** Settles when the connection is gone, with the reason; never rejects. */
  readonly lost: Promise<MonitorError>;
  readonly #model: ChannelModel;
  readonly #socket: AbortController;
  #open = true;

  constructor(url: string, model: ChannelModel, socket: AbortController) {
    this.url = redactUrl(url);
    this.#model = model;
    this.#socket = socket;
    let cause: unknown;
    model.on('error', (error) => {
      cause = error;
    });
    this.lost = new Promise((resolve) => {
      model.on('close', (error) => {
        this.#open = false;
        // amqplib only half-closes a socket whose peer went silent.
        socket.abort();
        resolve(
          new MonitorError('BROKER_UNREACHABLE', lostReason(this.url, cause ?? error), { cause: cause ?? error }),
        );
      });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /** The broker's version, `3.10.8`. */
  get version(): string {
    return this.#model.connection.serverProperties.version;
  }

  /** A channel. What the broker closes it for is told by `watch`. */
  async channel(): Promise<Channel> {
    return quiet(await this.#model.createChannel());
  }

  /** A channel on which the broker confirms what is published. */
  async confirmChannel(): Promise<ConfirmChannel> {
    return quiet(await this.#model.createConfirmChannel());
  }

  /** Calls back with the broker's reason when it stops taking what this connection publishes, with null when it goes on. */
  onBlocked(listener: (reason: string | null) => void): void {
    this.#model.on('blocked', listener);
    this.#model.on('unblocked', () => listener(null));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const timer = setTimeout(() => this.#socket.abort(), CLOSE_TIMEOUT * 1000);
    this.#model.close().catch(() => this.#socket.abort());
    await this.lost;
    clearTimeout(timer);
  }
}

/** An 'error' without a listener would be thrown: what it says also comes as the rejection of the operation or by `closed`. */
function quiet<C extends Channel>(channel: C): C {
  return channel.on('error', () => {});
}

/** Settles when the channel is gone, with the broker's reason where it gave one; never rejects. */
export function closed(channel: Channel): Promise<MonitorError> {
  let cause: Error | undefined;
  channel.on('error', (error) => {
    cause = error;
  });
  return new Promise((resolve) => {
    channel.on('close', () => {
      resolve(
        new MonitorError(
          'BROKER_REFUSED',
          cause ? `the broker closed the channel: ${textOf(cause)}` : 'the channel was closed',
          { cause },
        ),
      );
    });
  });
}

/**
 * Connects.
 * @throws MonitorError BROKER_UNREACHABLE, BROKER_REFUSED (login, virtual host); AbortError.
 */
export async function openConnection(
  url: string,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted();
  const address = new URL(url);
  if (!address.searchParams.has('heartbeat'))
    address.searchParams.set('heartbeat', String(Math.ceil(options.heartbeat)));
  const socket = new AbortController();
  const abort = (): void => socket.abort();
  signal.addEventListener('abort', abort);
  try {
    const socketOptions = {
      ...options.tls,
      signal: socket.signal,
      timeout: CONNECT_TIMEOUT * 1000,
      noDelay: true,
      keepAlive: true,
      // amqplib's own reading of the URL would garble a password with characters beyond ASCII.
      credentials: credentials.plain(
        decodeURIComponent(address.username || 'guest'),
        decodeURIComponent(address.password || 'guest'),
      ),
      clientProperties: { connection_name: 'celerycam', product: 'celerycam' },
    };
    return new Connection(url, await connect(address.href, socketOptions), socket);
  } catch (error) {
    socket.abort();
    signal.throwIfAborted();
    throw openError(url, error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Connects to the first of these URLs that answers. @throws as `openConnection`, of the last */
export async function openAny(
  urls: readonly string[],
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Connection> {
  let failure: unknown;
  for (const url of urls) {
    try {
      return await openConnection(url, options, signal);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

/** What went wrong, for the person who set the URL. */
function openError(url: string, error: unknown): MonitorError {
  const shown = redactUrl(url);
  const text = textOf(error);
  const { username, pathname } = new URL(url);
  if (text.includes('ACCESS_REFUSED') || text.includes('ACCESS-REFUSED')) {
    const user = decodeURIComponent(username);
    return new MonitorError(
      'BROKER_REFUSED',
      `the broker at ${shown} refused the login of user "${user}": check the user name and the password`,
      { cause: error },
    );
  }
  // RabbitMQ closes the connection in answer to `open`; amqplib does not tell its text.
  if (text.includes('Expected ConnectionOpenOk')) {
    const vhost = decodeURIComponent(pathname.slice(1)) || '/';
    return new MonitorError(
      'BROKER_REFUSED',
      `the broker at ${shown} has no virtual host "${vhost}", or the user may not use it`,
      { cause: error },
    );
  }
  return new MonitorError('BROKER_UNREACHABLE', `no broker answers at ${shown}: ${text}`, { cause: error });
}

function lostReason(url: string, cause: unknown): string {
  return `the connection to ${url} was lost${cause === undefined ? '' : `: ${textOf(cause)}`}`;
}

/** The sentence that the broker wrote, out of amqplib's; the message itself of anything else. */
export function textOf(error: unknown): string {
  const message = reasonOf(error);
  return /with message "(.*)"/s.exec(message)?.[1] ?? message;
}
