/** What clients log in with, in memory: tokens as the database has them, and tickets that are good for one connection. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type Role, sha256 } from '../access-values.ts';
import type { Seconds } from '../domain/event.ts';
import type { TokenRow, Tokens } from '../store/tokens.ts';

/** Somebody who has logged in. */
export interface Who {
  readonly name: string;
  readonly role: Role;
  /** The token by which; null: by other means. */
  readonly token: Buffer | null;
}

/** The tokens that are good, read again every two seconds. While the database does not answer, those of before are. */
export class TokenBook implements AsyncDisposable {
  readonly #tokens: Pick<Tokens, 'list'>;
  #good: readonly TokenRow[] = [];
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> | null = null;
  #any = false;

  constructor(tokens: Pick<Tokens, 'list'>) {
    this.#tokens = tokens;
  }

  /** There are tokens, or there were: who has none may not come in. */
  get any(): boolean {
    return this.#any;
  }

  /** Reads them, and goes on doing so. @param onRead called after each time @throws MonitorError DATABASE_UNREACHABLE */
  async open(onRead: () => void, every: Seconds = 2): Promise<void> {
    await this.#read();
    this.#timer = setInterval(() => {
      this.#reading ??= this.#read()
        .then(onRead, () => undefined)
        .finally(() => {
          this.#reading = null;
        });
    }, every * 1000).unref();
  }

  async #read(): Promise<void> {
    this.#good = (await this.#tokens.list()).filter(({ revoked_at }) => revoked_at === null);
    this.#any ||= this.#good.length > 0;
  }

  /** Whose token it is; null: nobody's. Takes the same time whichever it is. */
  find(token: string): Who | null {
    const hash = sha256(token);
    let found: Who | null = null;
    for (const row of this.#good) {
      if (timingSafeEqual(row.hash, hash)) found = { name: row.name, role: row.role, token: row.hash };
    }
    return found;
  }

  isGood({ token }: Who): boolean {
    return token === null || this.#good.some(({ hash }) => hash.equals(token));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#reading;
  }
}

/** Seconds that a ticket is good for. */
export const TICKET_LIFE: Seconds = 30;

/** Tickets that nobody has used yet; of more, the oldest are void. */
const MAX_TICKETS = 10_000;

/** Tickets for those who cannot send a header, such as a browser that opens a WebSocket: they stand in a URL, and so in logs. */
export class Tickets {
  readonly #tickets = new Map<string, { readonly who: Who | null; readonly until: Seconds }>();
  readonly #clock: () => Seconds;

  constructor(clock: () => Seconds = () => performance.now() / 1000) {
    this.#clock = clock;
  }

  /** @param who null: nobody has to log in */
  issue(who: Who | null): string {
    const ticket = randomBytes(32).toString('base64url');
    this.#tickets.set(ticket, { who, until: this.#clock() + TICKET_LIFE });
    const [oldest] = this.#tickets.keys();
    if (this.#tickets.size > MAX_TICKETS && oldest !== undefined) this.#tickets.delete(oldest);
    return ticket;
  }

  /** Who got it, this once. Undefined: it is not good, or not any more. */
  redeem(ticket: string): Who | null | undefined {
    const found = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    return found && found.until > this.#clock() ? found.who : undefined;
  }
}
