/** A real Celery app on a virtual host: workers that are started and stopped, and one script that publishes everything. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PYTHON } from './services.ts';

const HERE = new URL('celery_app/', import.meta.url).pathname;

/** Ids of the tasks that `publish.py` published, by how they end. */
export interface Published {
  readonly success: string;
  readonly failure: string;
  readonly retry: string;
  readonly rejected: string;
  readonly ignored: string;
  readonly custom: string;
  readonly chain: readonly [string, string];
  readonly group: readonly string[];
  readonly chord: { readonly header: readonly string[]; readonly body: string };
  /** Revoked while it ran. */
  readonly running: string;
  /** Revoked before it started. */
  readonly waiting: string;
}

export class CeleryApp implements AsyncDisposable {
  readonly #results = mkdtempSync(join(tmpdir(), 'celerycam-results-'));
  readonly #env: NodeJS.ProcessEnv;
  readonly #workers = new Set<ChildProcess>();

  /** @param conf settings of Celery besides those of `app.py` */
  constructor(brokerUrl: string, conf: Readonly<Record<string, unknown>> = {}) {
    const own = { BROKER_URL: brokerUrl, RESULTS_DIR: this.#results, CELERY_CONF: JSON.stringify(conf) };
    this.#env = { ...process.env, ...own, PYTHONDONTWRITEBYTECODE: '1' };
  }

  /** Starts a prefork worker with events on, and waits until it is ready. Returns a function that stops it in order. */
  async startWorker(hostname: string, concurrency = 2): Promise<() => Promise<void>> {
    const options = [
      '--hostname',
      hostname,
      '--concurrency',
      String(concurrency),
      '--task-events',
      '--loglevel',
      'INFO',
    ];
    const worker = spawn(PYTHON, ['-m', 'celery', '-A', 'app', 'worker', ...options], {
      cwd: HERE,
      env: { ...this.#env, C_FORCE_ROOT: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#workers.add(worker);
    let said = '';
    await new Promise<void>((resolve, reject) => {
      worker.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-4000);
        if (said.includes(`${hostname} ready.`)) resolve();
      });
      worker.once('exit', () => reject(new Error(`the worker ${hostname} did not start:\n${said}`)));
    });
    return () => this.#stop(worker, 'SIGTERM');
  }

  /** Calls a task of `app.py` with one argument, and goes on. */
  async call(task: string, argument: number | string): Promise<void> {
    await this.python(`import app; app.${task}.delay(${JSON.stringify(argument)})`);
  }

  /** Runs a script beside `app.py`, and returns what it printed. */
  async python(script: string): Promise<string> {
    const options = { cwd: HERE, env: this.#env, timeout: 120_000 };
    return (await promisify(execFile)(PYTHON, ['-c', script], options)).stdout;
  }

  /** Publishes one task of every kind and waits until all of them have ended. Needs workers. */
  async publish(): Promise<Published> {
    const { stdout } = await promisify(execFile)(PYTHON, ['publish.py'], {
      cwd: HERE,
      env: this.#env,
      timeout: 120_000,
    });
    return JSON.parse(stdout) as Published;
  }

  async #stop(worker: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (!this.#workers.delete(worker) || worker.exitCode !== null || worker.pid === undefined) return;
    const exit = once(worker, 'exit');
    // A worker asked to stop tells its children itself; one that is killed cannot.
    process.kill(signal === 'SIGKILL' ? -worker.pid : worker.pid, signal);
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => this.#stop(worker, 'SIGKILL')));
    rmSync(this.#results, { recursive: true, force: true });
  }
}
