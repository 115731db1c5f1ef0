/** What every request and upgrade passes before any route sees it: its form, its origin, how often, and who. */
import type { IncomingMessage } from 'node:http';
import type { HttpConfig } from '../config.ts';
import { type Access, type Admission, LOOPBACK, type Refusal, type Target, tooMany } from './access.ts';
import { type Client, clientReader } from './client.ts';
import { Buckets, MAX_BODY } from './limits.ts';

export type GuardOptions = Pick<HttpConfig, 'host' | 'urlPrefix' | 'trustedProxies' | 'corsOrigins' | 'rateLimit'>;

/** A request that may go on. */
export interface Passed extends Admission {
  readonly target: Target;
  /** Path and query as the routes are to see it. */
  readonly url: string;
}

/** Seconds for which an address may save up requests. */
const SAVED_UP = 10;

export class Guard {
  readonly #options: GuardOptions;
  readonly #access: Access;
  readonly #clientOf: (request: IncomingMessage) => Client;
  readonly #rate: Buckets;

  constructor(options: GuardOptions, access: Access) {
    this.#options = options;
    this.#access = access;
    this.#clientOf = clientReader(options.trustedProxies);
    this.#rate = new Buckets(options.rateLimit, Math.max(1, options.rateLimit * SAVED_UP));
  }

  /** Counts a request that is not checked otherwise. Null: it may come now. */
  limit(request: IncomingMessage): Refusal | null {
    const wait = this.#rate.take(this.#clientOf(request).address);
    return wait > 0 ? tooMany('too many requests from this address', wait) : null;
  }

  check(request: IncomingMessage, upgrade: boolean): Passed | Refusal {
    const early = this.limit(request);
    if (early) return early;
    const client = this.#clientOf(request);
    const parsed = targetOf(request, this.#options.urlPrefix);
    if (!('target' in parsed)) return parsed;
    const refusal =
      bodyRefusal(request) ??
      this.#rebinding(client) ??
      this.#foreign(request, client, upgrade || !['GET', 'HEAD', 'OPTIONS'].includes(request.method ?? ''));
    if (refusal) return refusal;
    const admission = this.#access.decide(request, client, parsed.target);
    return 'status' in admission ? admission : { ...parsed, ...admission };
  }

  /** What a page of another site may read: CORS headers for the origins that are configured, and for nobody else. */
  corsHeaders({ headers }: IncomingMessage): Record<string, string> {
    if (this.#options.corsOrigins.length === 0) return {};
    const { origin } = headers;
    if (origin === undefined || !this.#options.corsOrigins.includes(origin)) return { vary: 'Origin' };
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'etag, retry-after, server-timing, www-authenticate',
    };
  }

  /**
   * While celerycam listens to this machine only, a page of some other site must not read it through the visitor's
   * browser by a name that resolves here (DNS rebinding).
   */
  #rebinding({ host, proxied }: Client): Refusal | null {
    const listening = this.#options.host;
    const name = host.replace(/:\d+$/, '');
    if (proxied || !LOOPBACK.test(listening) || LOOPBACK.test(name) || name === listening) return null;
    const way = 'use localhost, or listen with --host, or name your proxy with --trusted-proxy';
    return { status: 403, error: `asked as ${name || 'nobody'}, but celerycam listens to this machine only: ${way}` };
  }

  /** Browsers let every page open a WebSocket and send a form, with the visitor's login. Ours may, and configured ones. */
  #foreign({ headers: { origin } }: IncomingMessage, { host }: Client, acts: boolean): Refusal | null {
    if (!acts || origin === undefined || this.#options.corsOrigins.includes(origin)) return null;
    if (origin.replace(/^\w+:\/\//, '').toLowerCase() === host) return null;
    return { status: 403, error: `pages of ${origin} may not connect here; --cors-origin can allow it` };
  }
}

/** A preflight, in which a browser asks whether a page of another site may send a request. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers;
}

/** What a preflight from a configured origin is told. */
export const PREFLIGHT = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers': 'authorization, content-type, if-match, if-none-match, last-event-id',
  'access-control-max-age': '600',
} as const;

function bodyRefusal({ headers }: IncomingMessage): Refusal | null {
  if (headers['transfer-encoding'] !== undefined) {
    return { status: 411, error: 'the length of the body is not said; expected the header Content-Length' };
  }
  const length = Number(headers['content-length'] ?? 0);
  if (length <= MAX_BODY) return null;
  return { status: 413, error: `the body has ${length} bytes; expected ${MAX_BODY} at most` };
}

/**
 * What a request is for. Routes decode paths, so what stands behind `%61pi` is looked at decoded here too, and a path
 * that could be taken for another one is refused.
 */
function targetOf(request: IncomingMessage, prefix: string): { target: Target; url: string } | Refusal {
  const raw = request.url ?? '/';
  const [full = '', ...rest] = raw.split('?');
  const query = rest.join('?');
  const stripped = prefix && (full === prefix || full.startsWith(`${prefix}/`)) ? full.slice(prefix.length) : full;
  // The page's links are relative, so it has to be asked for with the slash.
  if (prefix && stripped === '') {
    return { status: 308, error: 'moved', headers: { location: `${prefix}/${query && `?${query}`}` } };
  }
  let path: string;
  try {
    path = decodeURIComponent(stripped);
  } catch {
    return { status: 400, error: 'the path cannot be decoded' };
  }
  // A backslash is a slash to whoever reads URLs as browsers do, but for one that is encoded: that may stand in a name.
  if (!stripped.startsWith('/') || stripped.includes('\\') || /^[\\/]{2}|[\\/]\.\.?([\\/]|$)/.test(path)) {
    return { status: 400, error: 'the path is not plain; expected one that starts with / and has no . or .. in it' };
  }
  const parameters = new URLSearchParams(query);
  const ticket = parameters.get('ticket');
  if (ticket === null)
    return { target: { path, method: request.method ?? 'GET', ticket }, url: stripped + raw.slice(full.length) };
  // It has served its purpose, and nobody behind here needs to see it.
  parameters.delete('ticket');
  const left = parameters.size > 0 ? `?${parameters}` : '';
  return { target: { path, method: request.method ?? 'GET', ticket }, url: stripped + left };
}
