/** Who is asking, and may they: one decision for every request, whatever route it is for. */

import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Role, type Surface, sha256 } from '../access-values.ts';
import type { HttpConfig } from '../config.ts';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import type { Tickets, TokenBook, Who } from './book.ts';
import type { Client } from './client.ts';
import { Buckets } from './limits.ts';

export type AccessOptions = Pick<
  HttpConfig,
  'host' | 'insecure' | 'basicAuth' | 'proxyUserHeader' | 'proxyRole' | 'public' | 'operatorOnly'
>;

/** Why a request is not answered. */
export interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Come in; null where nobody has to log in. */
export interface Admission {
  readonly who: Who | null;
}

/** What a request is for. */
export interface Target {
  /** Decoded and without the prefix. */
  readonly path: string;
  readonly method: string;
  /** Of the query; null: none. */
  readonly ticket: string | null;
}

export const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/;

/**
 * Refuses to listen where everybody could come in.
 * @param tokens there are tokens that are good
 * @throws MonitorError CONFIG_INVALID that says what to type.
 */
export function refuseOpen(options: AccessOptions, tokens: boolean): void {
  if (LOOPBACK.test(options.host) || options.insecure || tokens || needsLogin(options)) return;
  const ways = [
    '`celerycam token create --name NAME`, with the same database',
    'CELERYCAM_BASIC_AUTH=user:password',
    '--proxy-user-header X-Forwarded-User --trusted-proxy NETWORK',
    'or --insecure, where the network lets nobody else in',
  ];
  const message = `--host ${options.host}: whoever reaches this address would see everything. Make people log in: ${ways.join('; ')}`;
  throw new MonitorError('CONFIG_INVALID', message);
}

function needsLogin({ basicAuth, proxyUserHeader }: AccessOptions): boolean {
  return basicAuth.length > 0 || proxyUserHeader !== null;
}

/** The surface that a path belongs to. What is not known is part of the page. */
export function surfaceOf(path: string): Surface {
  if (path === '/healthz' || path === '/readyz') return 'health';
  if (path === '/metrics') return 'metrics';
  if (path === '/live' || path === '/api/changes') return 'live';
  return /^\/(api|openapi\.json|docs)(\/|$)/.test(path) ? 'api' : 'ui';
}

/** Failed logins that an address may make at once, and seconds until it may make another. */
const FAILURES = 10;
const FAILURE_EVERY: Seconds = 6;

export interface AccessParts {
  readonly book: TokenBook;
  readonly tickets: Tickets;
  readonly onFailure: (client: Client) => void;
}

export class Access {
  readonly #options: AccessOptions;
  readonly #parts: AccessParts;
  readonly #failures = new Buckets(1 / FAILURE_EVERY, FAILURES);

  constructor(options: AccessOptions, parts: AccessParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Somebody has to log in: that is configured, or there are tokens. */
  get required(): boolean {
    return this.#parts.book.any || needsLogin(this.#options);
  }

  decide(request: IncomingMessage, client: Client, target: Target): Admission | Refusal {
    if (!this.required) return { who: null };
    const surface = surfaceOf(target.path);
    const needed = this.#neededBy(surface, target);
    if (needed === null) return { who: null };
    const who = this.#identify(request, client, surface === 'live' ? target.ticket : null);
    if (who === undefined) return unauthorized('log in to see this: with a token, or a name and password');
    if ('status' in who) return who;
    if (needed === 'operator' && who.role !== 'operator') {
      return { status: 403, error: `${target.method} ${target.path} needs the role operator; ${who.name} is a viewer` };
    }
    return { who };
  }

  #neededBy(surface: Surface, { path, method }: Target): Role | null {
    const reads = ['GET', 'HEAD', 'OPTIONS'].includes(method) || path === '/api/ticket';
    if (!reads || this.#options.operatorOnly.includes(surface)) return 'operator';
    return this.#options.public.includes(surface) ? null : 'viewer';
  }

  /** Undefined: it did not even try. */
  #identify(request: IncomingMessage, client: Client, ticket: string | null): Who | Refusal | undefined {
    const { book, tickets } = this.#parts;
    const user = this.#userOfProxy(request, client);
    if (user !== null) return { name: user, role: this.#options.proxyRole, token: null };
    if (ticket !== null) {
      const who = tickets.redeem(ticket);
      return who && book.isGood(who) ? who : this.#failed(client, 'the ticket is not good, or not any more');
    }
    const [, scheme, given = ''] = /^(bearer|basic) +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (scheme === undefined) {
      return request.headers.authorization === undefined
        ? undefined
        : this.#failed(client, 'the header Authorization cannot be read; expected Bearer or Basic');
    }
    // A token has too many possibilities to be tried out, so it is looked up even for those who failed too often.
    if (scheme.toLowerCase() === 'bearer') return book.find(given) ?? this.#failed(client, 'this token is not good');
    const login = Buffer.from(given, 'base64').toString();
    const password = login.slice(login.indexOf(':') + 1);
    const owner = password.startsWith('ccam_') ? book.find(password) : null;
    if (owner) return owner;
    const wait = this.#failures.wait(client.address);
    if (wait > 0) return tooMany('too many logins failed from this address', wait);
    return this.#byPassword(login) ?? this.#failed(client, 'there is nobody of this name and password');
  }

  #byPassword(login: string): Who | null {
    const hash = sha256(login);
    let found: Who | null = null;
    for (const { user, role, hash: expected } of this.#options.basicAuth) {
      if (timingSafeEqual(expected, hash)) found = { name: user, role, token: null };
    }
    return found;
  }

  /** Whom a trusted proxy has let in. Two names are none: one of them may be the client's own. */
  #userOfProxy(request: IncomingMessage, client: Client): string | null {
    const { proxyUserHeader } = this.#options;
    if (proxyUserHeader === null || !client.proxied) return null;
    const value = request.headers[proxyUserHeader];
    return typeof value === 'string' && /^[^,\s][^,]{0,255}$/.test(value) ? value : null;
  }

  #failed(client: Client, error: string): Refusal {
    const wait = this.#failures.take(client.address);
    if (wait > 0) return tooMany('too many logins failed from this address', wait);
    this.#parts.onFailure(client);
    return unauthorized(error);
  }
}

/**
 * Browsers ask for a name and password; a token does as the password, whatever the name. Basic comes first: of several
 * challenges in one header Chromium reads no other.
 */
function unauthorized(error: string): Refusal {
  const challenge = 'Basic realm="celerycam", charset="UTF-8", Bearer realm="celerycam"';
  return { status: 401, error, headers: { 'www-authenticate': challenge } };
}

export function tooMany(error: string, wait: Seconds): Refusal {
  const seconds = Math.ceil(wait);
  return { status: 429, error: `${error}: wait ${seconds} s`, headers: { 'retry-after': String(seconds) } };
}
