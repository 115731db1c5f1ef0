/** Asks routes of celerycam's HTTP API: what all clients of it have in common. */
import type { ErrorAnswer } from '../contract/api.ts';
import { MonitorError, reasonOf, redactUrl } from '../errors.ts';

export interface ApiOptions {
  /** Where celerycam serves, with the prefix that it has there: `http://127.0.0.1:5555`. */
  readonly url: string | URL;
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** Sent with every question. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** @default the global one */
  readonly fetch?: typeof fetch | undefined;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
}

interface Asking extends AskOptions {
  /** Sent as JSON. */
  readonly body?: object | undefined;
  /** Sent as `If-Match`. */
  readonly etag?: string | undefined;
}

/** What was refused, as the API told it; null for an error of another kind. */
export function refusalIn(error: unknown): (ErrorAnswer & { readonly status: number }) | null {
  return MonitorError.is(error, 'QUESTION_REFUSED') ? (error.cause as ErrorAnswer & { status: number }) : null;
}

export class ApiClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;

  constructor({ url, token, headers = {}, fetch = globalThis.fetch }: ApiOptions) {
    this.#base = String(url).replace(/\/+$/, '');
    this.#headers = { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    // Browsers insist on being its owner.
    this.#fetch = fetch.bind(globalThis);
  }

  /**
   * Asks one route of the contract, by its name: `GET /api/tasks/{uuid}`.
   * @param question what the path holds in braces, and the query
   * @throws MonitorError QUESTION_REFUSED, API_UNREACHABLE
   */
  async ask(route: string, question: object, { signal, body, etag }: Asking = {}): Promise<unknown> {
    const [method = 'GET', path = ''] = route.split(' ');
    const headers = {
      ...{ ...this.#headers, accept: 'application/json' },
      ...(body && { 'content-type': 'application/json' }),
      ...(etag !== undefined && { 'if-match': `"${etag}"` }),
    };
    const request = { method, headers, ...(body && { body: JSON.stringify(body) }), ...(signal && { signal }) };
    const unreachable = (cause: unknown): never => this.#unreachable(cause, signal);
    const response = await this.#fetch(this.#urlOf(path, question), request).catch(unreachable);
    // What refuses may be a proxy, which does so in words of its own.
    const answer: unknown = await response.json().catch((cause) => (refuses(response) ? {} : unreachable(cause)));
    signal?.throwIfAborted();
    if (response.ok || (path === '/readyz' && response.status === 503)) return answer;
    const told = answer as Partial<ErrorAnswer>;
    const message = typeof told.error === 'string' ? told.error : `it answered ${response.status}`;
    if (response.status >= 500) throw new MonitorError('API_UNREACHABLE', message);
    const cause = { ...told, error: message, status: response.status };
    throw new MonitorError('QUESTION_REFUSED', message, { cause });
  }

  #urlOf(path: string, question: object): string {
    const rest = new Map(Object.entries(question as Record<string, unknown>));
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = String(rest.get(name));
      rest.delete(name);
      return encodeURIComponent(value.toWellFormed());
    });
    const query = new URLSearchParams();
    for (const [name, value] of rest) {
      for (const each of Array.isArray(value) ? value : [value]) {
        if (each !== undefined && each !== null) query.append(name, textOf(each));
      }
    }
    return `${this.#base}${filled}${query.size > 0 ? `?${query}` : ''}`;
  }

  #unreachable(cause: unknown, signal: AbortSignal | undefined): never {
    signal?.throwIfAborted();
    const { cause: deeper } = cause as { cause?: unknown };
    const message = `celerycam at ${redactUrl(this.#base)} does not answer: ${reasonOf(deeper ?? cause)}`;
    throw new MonitorError('API_UNREACHABLE', message, { cause });
  }
}

function refuses({ status }: Response): boolean {
  return status >= 400 && status < 500;
}

function textOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}
