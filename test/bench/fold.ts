/**
 * How fast the fold is and how much memory a task takes, beside Celery's own State on the same events.
 *
 * Each side is a process of its own, reads the events from a file, folds them in one thread, and tells processor time, so
 * that what else runs matters less; reading and parsing are not timed. (Whoever made the events meanwhile would take part
 * of the core, more of it the faster they are folded.) `--single-threaded-gc` keeps Node to that: all that its garbage collector does while events are
 * folded is counted, as what Python spends on freeing is, and no other thread helps. The rounds of the two alternate, since
 * a machine is not equally fast all the time, and medians are told.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FoldName } from '../../src/domain/state.ts';
import { EVENTS_PER_TASK, eventTexts } from './fold-events.ts';

const ROUNDS = 3;
/** Tasks. */
const WARM_UP = 50_000;
const MANY = 1_000_000;
const EXTRA = 200_000;
const OURS = fileURLToPath(new URL('fold-ours.js', import.meta.url));
const CELERY = fileURLToPath(new URL('celery_fold.py', import.meta.url).href.replace('/.bench/', '/'));

interface FoldRates {
  readonly tasks: number;
  /** Events per second of processor time. */
  readonly filling: number;
  /** The same where each new task evicts one. */
  readonly steady: number;
  readonly bytesPerTask: number;
}

/** @param extra tasks folded at the limit */
function benchOurs(file: string, name: FoldName, maxTasks: number, extra: number): FoldRates {
  const command = [process.execPath, '--expose-gc', '--single-threaded-gc', OURS, name, `${maxTasks}`];
  const numbers = [WARM_UP, maxTasks, extra].map((tasks) => `${tasks * EVENTS_PER_TASK}`);
  return ratesOf(file, maxTasks, [...command, ...numbers]);
}

function benchCelery(file: string, maxTasks: number, extra: number): FoldRates {
  const python = process.env['CELERY_PYTHON'] ?? '/usr/bin/python3';
  const numbers = [maxTasks, extra].map((tasks) => `${tasks * EVENTS_PER_TASK}`);
  return ratesOf(file, maxTasks, [python, CELERY, `${maxTasks}`, ...numbers]);
}

/** Runs a program with the file as its input. */
function ratesOf(file: string, tasks: number, [program = '', ...options]: string[]): FoldRates {
  const input = openSync(file, 'r');
  const { stdout, status } = spawnSync(program, options, { stdio: [input, 'pipe', 'inherit'], encoding: 'utf8' });
  closeSync(input);
  if (status !== 0) throw new Error(`${program} ${options.join(' ')} failed`);
  const { filling, steady, bytes } = JSON.parse(stdout) as { filling: number; steady: number; bytes: number };
  return { tasks, filling, steady, bytesPerTask: bytes };
}

/** Writes the events of so many tasks. */
function writeEvents(file: string, tasks: number): void {
  const output = openSync(file, 'w');
  let piece = '';
  for (const line of eventTexts(tasks)) {
    piece += `${line}\n`;
    if (piece.length < 1_000_000) continue;
    writeSync(output, piece);
    piece = '';
  }
  writeSync(output, piece);
  closeSync(output);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

/** Each figure is the median of the rounds'. */
function medianOf(rounds: readonly FoldRates[]): FoldRates {
  return {
    tasks: rounds[0]?.tasks ?? 0,
    filling: median(rounds.map(({ filling }) => filling)),
    steady: median(rounds.map(({ steady }) => steady)),
    bytesPerTask: median(rounds.map(({ bytesPerTask }) => bytesPerTask)),
  };
}

/** Prints a table. */
export function benchFold(): void {
  const folder = mkdtempSync(join(tmpdir(), 'celerycam-fold-'));
  try {
    const file = join(folder, 'events');
    writeEvents(file, WARM_UP + MANY + EXTRA);
    measure(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function measure(file: string): void {
  const perSecond = (rate: number): string => `${Math.round(rate / 1000)} k/s`;
  const print = (who: string, rates: FoldRates): void => {
    const { tasks, filling, steady, bytesPerTask } = rates;
    console.log(
      `fold ${who.padEnd(9)} ${String(tasks).padStart(8)} tasks  filling ${perSecond(filling).padStart(9)}  steady ${perSecond(steady).padStart(9)}  ${Math.round(bytesPerTask)} bytes per task`,
    );
  };
  const goals = { celery: 25, strict: 15 } as const;
  const names = ['celery', 'strict'] as const;
  const theirs: FoldRates[] = [];
  const ours = { celery: [] as FoldRates[], strict: [] as FoldRates[] };
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(benchCelery(file, 10_000, 30_000));
    for (const name of names) ours[name].push(benchOurs(file, name, 10_000, 100_000));
  }
  const celery = medianOf(theirs);
  print('Celery', celery);
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  for (const name of names) {
    const small = medianOf(ours[name]);
    const million = benchOurs(file, name, MANY, EXTRA);
    print(name, small);
    print(name, benchOurs(file, name, 100_000, EXTRA));
    print(name, million);
    console.log(`  steady at 10,000: ${ratio(small.steady, celery.steady)} × Celery's State (goal ${goals[name]})`);
    console.log(`  steady at 1,000,000: ${ratio(million.steady, small.steady)} × the rate at 10,000 (goal 0.5)`);
    console.log(`  bytes per task: ${ratio(small.bytesPerTask, celery.bytesPerTask)} × Celery's (goal 0.3)`);
  }
}
