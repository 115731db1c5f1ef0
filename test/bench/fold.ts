/**
 * How fast the fold is and how much memory a task takes, beside Celery's own State on the same events.
 *
 * Each side is a process of its own, reads the events, folds them in one thread, and tells processor time, so that what else runs matters less;
 * parsing is not timed. `--single-threaded-gc` keeps Node to that: all that its garbage collector does while events are
 * folded is counted, as what Python spends on freeing is, and no other thread helps. The rounds of the two alternate, since
 * a machine is not equally fast all the time, and medians are told.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { FoldName } from '../../src/domain/state.ts';
import { EVENTS_PER_TASK, eventTexts } from './fold-events.ts';

const ROUNDS = 3;
/** Tasks. */
const WARM_UP = 50_000;
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
async function benchOurs(name: FoldName, maxTasks: number, extra: number): Promise<FoldRates> {
  const command = [process.execPath, '--expose-gc', '--single-threaded-gc', OURS, name, `${maxTasks}`];
  const numbers = [WARM_UP * EVENTS_PER_TASK, maxTasks * EVENTS_PER_TASK];
  return ratesOf(maxTasks, [...command, ...numbers.map(String)], WARM_UP + maxTasks + extra);
}

async function benchCelery(maxTasks: number, extra: number): Promise<FoldRates> {
  const python = process.env['CELERY_PYTHON'] ?? '/usr/bin/python3';
  const command = [python, CELERY, `${maxTasks}`, `${maxTasks * EVENTS_PER_TASK}`];
  return ratesOf(maxTasks, command, maxTasks + extra);
}

/** Runs a program with the events of so many tasks as its input. */
async function ratesOf(tasks: number, [program = '', ...options]: string[], given: number): Promise<FoldRates> {
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), pipeline(linesOf(given), child.stdin)]);
  const { filling, steady, bytes } = JSON.parse(output) as { filling: number; steady: number; bytes: number };
  return { tasks, filling, steady, bytesPerTask: bytes };
}

/** In pieces of some size. */
function* linesOf(tasks: number): Generator<string> {
  let piece = '';
  for (const line of eventTexts(tasks)) {
    piece += `${line}\n`;
    if (piece.length < 65_536) continue;
    yield piece;
    piece = '';
  }
  yield piece;
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
export async function benchFold(): Promise<void> {
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
    theirs.push(await benchCelery(10_000, 30_000));
    for (const name of names) ours[name].push(await benchOurs(name, 10_000, 100_000));
  }
  const celery = medianOf(theirs);
  print('Celery', celery);
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  for (const name of names) {
    const small = medianOf(ours[name]);
    const million = await benchOurs(name, 1_000_000, 200_000);
    print(name, small);
    print(name, await benchOurs(name, 100_000, 200_000));
    print(name, million);
    console.log(`  steady at 10,000: ${ratio(small.steady, celery.steady)} × Celery's State (goal ${goals[name]})`);
    console.log(`  steady at 1,000,000: ${ratio(million.steady, small.steady)} × the rate at 10,000 (goal 0.5)`);
    console.log(`  bytes per task: ${ratio(small.bytesPerTask, celery.bytesPerTask)} × Celery's (goal 0.3)`);
  }
}
