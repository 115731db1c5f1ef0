/**
 * How fast the fold is and how much memory a task takes, beside Celery's own State on the same events.
 *
 * What is timed is the same: parsed events in, the state changed. (Ours does the receiver's part as well, clocks and time
 * zones; Celery's does that before `State.event`.) Each side is a process of its own, reads the events from a file, folds
 * them in one thread, and tells processor time. `--single-threaded-gc` keeps Node to that: all that its garbage collector
 * does while events are folded is counted, as what Python spends on freeing is, and no other thread helps. What they leave
 * behind while they parse is not counted on either side.
 *
 * A machine is not equally fast all the time, so the sides go in lock-step: each folds for a moment, then the next. A rate
 * is that of all turns together, so that a long collection of garbage counts for what it takes, and each ratio is that of
 * two sides that took turns. Processes of one kind differ, too: there are several rounds of new ones, and medians are told.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FoldName } from '../../src/domain/state.ts';
import { EVENTS_PER_TASK, eventTexts } from './fold-events.ts';

const ROUNDS = 3;
/** How often each side has its turn, and for how many seconds. */
const TURNS = 40;
const TURN = 0.05;
/** Tasks. */
const WARM_UP = 50_000;
const FEW = 10_000;
const MANY = 1_000_000;
const EXTRA = 200_000;
const OURS = fileURLToPath(new URL('fold-ours.js', import.meta.url));
const CELERY = fileURLToPath(new URL('celery_fold.py', import.meta.url).href.replace('/.bench/', '/'));

/** What one side folded, and the processor time that it took. */
export interface Turn {
  events: number;
  seconds: number;
}

/** A process that folds when it is told to. */
interface Side extends AsyncDisposable {
  readonly filling: Turn;
  readonly bytesPerTask: number;
  /** Where each new task evicts one; what it did in all its turns. */
  readonly steady: Turn;
  turn(): Promise<void>;
}

function openOurs(file: string, name: FoldName, maxTasks: number): Promise<Side> {
  const numbers = [maxTasks, WARM_UP * EVENTS_PER_TASK, maxTasks * EVENTS_PER_TASK];
  return openSide([process.execPath, '--expose-gc', '--single-threaded-gc', OURS, file, name, ...numbers.map(String)]);
}

function openCelery(file: string, maxTasks: number): Promise<Side> {
  const python = process.env['CELERY_PYTHON'] ?? '/usr/bin/python3';
  return openSide([python, CELERY, file, `${maxTasks}`, `${maxTasks * EVENTS_PER_TASK}`]);
}

/** Starts a process and waits until it has filled its memory. */
async function openSide([program = '', ...options]: string[]): Promise<Side> {
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  async function answer(): Promise<Turn & { readonly bytes: number }> {
    const { done, value } = await answers.next();
    if (done) throw new Error(`${program} ${options.join(' ')} failed`);
    return JSON.parse(value) as Turn & { readonly bytes: number };
  }
  const { bytes, ...filling } = await answer();
  const steady: Turn = { events: 0, seconds: 0 };
  return {
    filling,
    bytesPerTask: bytes,
    steady,
    async turn() {
      child.stdin.write(`${TURN}\n`);
      const { events, seconds } = await answer();
      steady.events += events;
      steady.seconds += seconds;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await answers.next();
    },
  };
}

async function takeTurns(sides: readonly Side[], turns: number): Promise<void> {
  for (let n = 0; n < turns; n++) for (const side of sides) await side.turn();
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

function rateOf({ events, seconds }: Turn): number {
  return events / seconds;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

/** Prints a table. */
export async function benchFold(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'celerycam-fold-'));
  try {
    const file = join(folder, 'events');
    writeEvents(file, WARM_UP + MANY + EXTRA);
    await besideCelery(file);
    await besideItself(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function besideCelery(file: string): Promise<void> {
  const speed = { celery: [] as number[], strict: [] as number[] };
  const size = { celery: [] as number[], strict: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    await using theirs = await openCelery(file, FEW);
    await using celery = await openOurs(file, 'celery', FEW);
    await using strict = await openOurs(file, 'strict', FEW);
    await takeTurns([theirs, celery, strict], TURNS);
    print('Celery', FEW, theirs);
    for (const [name, side] of Object.entries({ celery, strict })) {
      print(name, FEW, side);
      speed[name as FoldName].push(rateOf(side.steady) / rateOf(theirs.steady));
      size[name as FoldName].push(side.bytesPerTask / theirs.bytesPerTask);
    }
  }
  for (const [name, goal] of Object.entries({ celery: 25, strict: 15 })) {
    console.log(`  ${name} at 10,000: ${times(median(speed[name as FoldName]))} Celery's State (goal ${goal})`);
    console.log(`  ${name}, bytes per task: ${times(median(size[name as FoldName]))} Celery's (goal 0.3)`);
  }
}

async function besideItself(file: string): Promise<void> {
  for (const name of ['celery', 'strict'] as const) {
    await using few = await openOurs(file, name, FEW);
    await using many = await openOurs(file, name, MANY);
    await takeTurns([few, many], TURNS / 4);
    print(name, FEW, few);
    print(name, MANY, many);
    console.log(
      `  ${name} at 1,000,000: ${times(rateOf(many.steady) / rateOf(few.steady))} its rate at 10,000 (goal 0.5)`,
    );
  }
}

function print(who: string, tasks: number, { filling, steady, bytesPerTask }: Side): void {
  const perSecond = (turn: Turn): string => `${Math.round(rateOf(turn) / 1000)} k/s`.padStart(9);
  console.log(
    `fold ${who.padEnd(9)} ${String(tasks).padStart(8)} tasks  filling ${perSecond(filling)}  steady ${perSecond(steady)}  ${Math.round(bytesPerTask)} bytes per task`,
  );
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`;
}
