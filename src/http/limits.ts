/** How much one client may ask for: buckets that fill with time, and what a request may weigh. */
import type { ServerOptions } from 'node:http';
import type { Seconds } from '../domain/event.ts';

/** Bytes of a request's body: clients have nothing long to say. */
export const MAX_BODY = 64 << 10;

/** Bytes of a message of a live client. */
const MAX_FRAME = 64 << 10;

/** Of a live client. The parts of a message that has not ended weigh more than what they hold: few are waited for. */
export const SOCKET_LIMITS = {
  ...{ maxPayload: MAX_FRAME, maxFragments: 100, maxBufferedChunks: 2000, perMessageDeflate: false },
  /** Milliseconds that one has to say goodbye, too. */
  closeTimeout: 2000,
} as const;

/** Messages and pings of a live client: per second, and saved up. */
export const MESSAGES = { rate: 10, burst: 200 } as const;

/** Bytes of all that a live client sends, also of what means nothing: per second, and saved up. */
export const BYTES = { rate: 64 << 10, burst: 1 << 20 } as const;

/** What Node itself enforces: whoever is slower, or longer, is cut off. */
export const SERVER_LIMITS: ServerOptions = {
  /** Bytes of the request line and headers. */
  maxHeaderSize: 16 << 10,
  /** Milliseconds until the headers, and the whole request, have to be there. Answers may take as long as they like. */
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 5000,
};

/** Milliseconds without a byte either way after which a connection is cut. Feeds and whoever waits hear something sooner. */
export const SILENCE = 120_000;

/** Addresses that are remembered; of more, those are forgotten that were silent longest. */
const MAX_ADDRESSES = 10_000;

interface Bucket {
  left: number;
  at: Seconds;
}

/** A bucket for each address: holds `burst`, and so many more come in each second. Who takes more than there is has to wait longer. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #rate: number;
  readonly #burst: number;
  readonly #clock: () => Seconds;

  constructor(rate: number, burst: number, clock: () => Seconds = () => performance.now() / 1000) {
    this.#rate = rate;
    this.#burst = burst;
    this.#clock = clock;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes so many out, if there is one. Returns 0 then, and else the seconds until there will be. */
  take(address: string, amount = 1): Seconds {
    const wait = this.wait(address);
    const bucket = this.#buckets.get(sameClient(address));
    if (wait === 0 && bucket) bucket.left -= amount;
    return wait;
  }

  /** Seconds until one can be taken out; 0: now. */
  wait(address: string): Seconds {
    const key = sameClient(address);
    const now = this.#clock();
    const before = this.#buckets.get(key);
    const left = before ? Math.min(this.#burst, before.left + (now - before.at) * this.#rate) : this.#burst;
    this.#buckets.delete(key);
    this.#buckets.set(key, { left, at: now });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_ADDRESSES && oldest !== undefined) this.#buckets.delete(oldest);
    return left >= 1 ? 0 : (1 - left) / this.#rate;
  }
}

/** Of an IPv6 address the network of 64 bits: whoever has one has all of it. */
export function sameClient(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const after = tail === undefined ? [] : tail.split(':').filter(Boolean);
  while (tail !== undefined && groups.length + after.length < 8) groups.push('0');
  return [...groups, ...after]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
