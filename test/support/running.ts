/** The whole program running inside a test: started, listened to, stopped. */
import type { EventEmitter } from 'eventemitter3';
import pg from 'pg';
import { run } from '../../src/app.ts';
import { type Flags, loadConfig, type SimulationConfig } from '../../src/config.ts';
import { createDiagnostics, type DiagnosticEvents, type Diagnostics } from '../../src/diagnostics.ts';
import type { Logger } from '../../src/log.ts';

/** Longest wait for anything, seconds: then a test fails saying what it waited for. */
const PATIENCE = 60;

export class Running implements AsyncDisposable {
  readonly diagnostics: Diagnostics = createDiagnostics();
  /** What it logged, newest last. */
  readonly logged: {
    readonly level: string;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[] = [];
  readonly #abort = new AbortController();
  readonly #database: pg.Pool;
  readonly #done: Promise<void>;
  #failure: unknown = null;

  constructor(flags: Flags & { readonly database: string }, simulation: SimulationConfig | null = null) {
    const config = { ...loadConfig({ port: '0', frequency: '200ms', ...flags }, {}), simulation };
    this.#database = new pg.Pool({ connectionString: flags.database, max: 2 });
    this.#database.on('error', () => {});
    const write = (level: string) => (fields: object, message: string) => {
      this.logged.push({ level, message, fields: { ...fields } });
    };
    const log: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    this.#done = run(config, log, this.#abort.signal, this.diagnostics).catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** Where it serves; once it is serving. */
  get url(): string {
    return String(this.logged.find(({ message }) => message === 'serving')?.fields['url']);
  }

  async query<Row extends pg.QueryResultRow>(sql: string, ...values: readonly unknown[]): Promise<Row[]> {
    return (await this.#database.query<Row>(sql, [...values])).rows;
  }

  /** Resolves with what the next event of this name tells. */
  async next<Name extends EventEmitter.EventNames<DiagnosticEvents>>(
    name: Name,
  ): Promise<Parameters<DiagnosticEvents[Name]>[0]> {
    return this.#patiently(
      `the event ${name}`,
      new Promise((resolve) => {
        this.diagnostics.once(name, (...args: unknown[]) => resolve(args[0] as Parameters<DiagnosticEvents[Name]>[0]));
      }),
    );
  }

  /** Resolves when a snapshot was taken after which the condition holds. */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const holds = new Promise<void>((resolve, reject) => {
      const check = async (): Promise<void> => {
        if (!(await condition())) return;
        this.diagnostics.off('camera:shutter', onShutter);
        resolve();
      };
      const onShutter = (): void => {
        check().catch(reject);
      };
      this.diagnostics.on('camera:shutter', onShutter);
      onShutter();
    });
    await this.#patiently(what, holds);
  }

  async #patiently<T>(what: string, promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const impatience = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${PATIENCE} s for ${what}`)), PATIENCE * 1000);
    });
    const end = this.#done.then(() => {
      throw new Error(`it ended while waiting for ${what}`, { cause: this.#failure });
    });
    end.catch(() => {});
    try {
      return await Promise.race([promise, impatience, end]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops it in order, as SIGTERM does. Throws what it failed with. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
    if (this.#failure) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#done;
    await this.#database.end();
  }
}
