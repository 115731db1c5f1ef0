/** The built program as a process of its own: started, killed, stopped, and known by the lines that it logs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ClusterAnswer } from '../../src/contract/api.ts';
import { flagOf } from '../../src/options.ts';

/** Seen from here, and from where benchmarks are compiled to. */
const CLI = ['../../dist/src/cli.js', '../../../dist/src/cli.js']
  .map((path) => new URL(path, import.meta.url).pathname)
  .find((path) => existsSync(path));

/** Longest wait for anything, seconds: then a test fails saying what it waited for. */
const PATIENCE = 120;

/** A line of its log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class Program implements AsyncDisposable {
  /** Everything that it has logged. */
  readonly lines: LogLine[] = [];
  /** What it wrote beside its log: it should be nothing. */
  readonly noise: string[] = [];
  readonly #home = mkdtempSync(join(tmpdir(), 'celerycam-home-'));
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #watchers = new Set<() => void>();
  #hasEnded = false;

  /** Starts it. @param options as in src/options.ts */
  constructor(options: Readonly<Record<string, string | number>>, command: 'run' | 'beat' | 'demo' = 'run') {
    if (CLI === undefined) throw new Error('the program is not built: type `npm run build` first');
    const serving = command !== 'beat' ? { port: 0, frequency: '200ms' } : {};
    const given = { ...serving, logLevel: 'debug', logFormat: 'json', ...options };
    const flags = Object.entries(given).flatMap(([name, value]) => [`--${flagOf(name)}`, String(value)]);
    this.#process = spawn(process.execPath, [CLI, command, ...flags], {
      env: { PATH: process.env['PATH'], HOME: this.#home },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const { stderr } = this.#process;
    const lines = createInterface(stderr as NonNullable<typeof stderr>).on('line', (text) => this.#read(text));
    this.#ended = Promise.all([once(this.#process, 'exit'), once(lines, 'close')]).then(() => {
      this.#hasEnded = true;
      this.#tell();
    });
  }

  #read(text: string): void {
    try {
      this.lines.push(JSON.parse(text) as LogLine);
    } catch {
      this.noise.push(text);
    }
    this.#tell();
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves with the first line, from line number `from` on, for which the condition holds. */
  async until(what: string, condition: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    let next = from;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const fail = (why: string): void => {
        end();
        const last = [...this.lines.slice(-5).map((line) => JSON.stringify(line)), ...this.noise].join('\n');
        reject(new Error(`${why} ${what}; it said last:\n${last}`));
      };
      const timer = setTimeout(() => fail(`waited ${PATIENCE} s for`), PATIENCE * 1000);
      const look = (): void => {
        for (; next < this.lines.length; next++) {
          const line = this.lines[next];
          if (line === undefined || !condition(line)) continue;
          end();
          resolve(line);
          return;
        }
        if (this.#hasEnded) fail('it ended before');
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Resolves once it consumes. */
  async ready(from = 0): Promise<void> {
    await this.until('consuming', ({ msg }) => msg === 'consuming', from);
  }

  /** Resolves when it has logged that the journal reaches this position. */
  async recorded(position: number, from = 0): Promise<void> {
    await this.until(
      `position ${position}`,
      (line) => line.msg === 'recorded' && Number(line['position']) >= position,
      from,
    );
  }

  /** Resolves when it has taken a picture of the state at this position or later. */
  async pictured(position: number): Promise<void> {
    await this.until(
      `a snapshot at ${position}`,
      (line) => line.msg === 'snapshot' && Number(line['position']) >= position,
    );
  }

  /** The lines with this message. */
  said(msg: string): readonly LogLine[] {
    return this.lines.filter((line) => line.msg === msg);
  }

  /** What a field adds up to over the lines with this message. */
  sum(msg: string, field: string): number {
    return this.said(msg).reduce((sum, line) => sum + Number(line[field]), 0);
  }

  async get(path: string): Promise<unknown> {
    return JSON.parse(await this.text(path));
  }

  async text(path: string): Promise<string> {
    const { url } = await this.until('serving', ({ msg }) => msg === 'serving');
    return (await fetch(new URL(path, String(url)))).text();
  }

  async cluster(): Promise<ClusterAnswer> {
    return (await this.get('/api/cluster')) as ClusterAnswer;
  }

  /** Resident memory in bytes: `VmRSS` now, `VmHWM` the most there ever was. Linux only. */
  memory(which: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(new RegExp(`${which}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  }

  /** `VmHWM` begins anew, at what is resident now. */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.#process.pid}/clear_refs`, '5');
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** SIGSTOP: it keeps its connections, and does nothing until `thaw`. */
  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  /** SIGCONT. */
  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  /** SIGTERM, and the exit code. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM');
    await this.#ended;
    return this.#process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#home, { recursive: true, force: true });
  }
}
