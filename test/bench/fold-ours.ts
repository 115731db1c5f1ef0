/**
 * Folds events from a file, one JSON object a line, a turn at a time, as `celery_fold.py` does.
 *
 * usage: node --expose-gc --single-threaded-gc fold-ours.js FILE celery|strict MAX_TASKS WARM_UP FILL
 * The first WARM_UP lines are folded elsewhere, so that the compiler knows the fold; FILL lines fill the memory. Then it
 * prints `{"events": …, "seconds": …, "bytes": …}`: what filling took, and the bytes of a task. For each number that comes
 * from standard input, a line each, it folds as many seconds at the limit and prints the same without bytes. Reading and
 * parsing are not timed.
 */
import { openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, type FoldName, fold } from '../../src/domain/state.ts';
import type { Turn } from './fold.ts';

const PIECE = 1_000;

const [file = '', name, ...numbers] = process.argv.slice(2);
const [maxTasks = 0, warmUp = 0, fill = 0] = numbers.map(Number);
const lines = linesOf(file);

function* linesOf(path: string): Generator<string, undefined, undefined> {
  const input = openSync(path, 'r');
  const buffer = Buffer.alloc(65_536);
  let rest = '';
  for (let size = readSync(input, buffer); size > 0; size = readSync(input, buffer)) {
    const read = (rest + buffer.toString('latin1', 0, size)).split('\n');
    rest = read.pop() ?? '';
    yield* read;
  }
}

/** Folds until so many lines are folded, or so many seconds have passed. */
function foldTurn(clusters: Clusters, limit: { readonly events?: number; readonly seconds?: number }): Turn {
  const { events = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY } = limit;
  const turn = { events: 0, seconds: 0 };
  while (turn.events < events && turn.seconds < seconds) {
    const piece: Event[] = [];
    while (piece.length < PIECE && turn.events + piece.length < events) {
      const line = lines.next().value;
      if (line === undefined) throw new Error('the file has too few events');
      piece.push(JSON.parse(line) as Event);
    }
    const begin = processorTime();
    for (const event of piece) {
      const position = clusters.position + 1;
      fold(clusters, { position, cluster: 'default', local_received: event['timestamp'] as number, event });
    }
    turn.seconds += processorTime() - begin;
    turn.events += piece.length;
  }
  return turn;
}

/** Seconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function createMemory(): Clusters {
  return createClusters({ maxTasks, maxWorkers: 5_000 }, { fold: name as FoldName });
}

/** In a function, so that nothing of it is left when the memory of tasks is measured. */
function fillMemory(): Clusters {
  const memory = createMemory();
  const before = heapUsed();
  const filling = foldTurn(memory, { events: fill });
  console.log(JSON.stringify({ ...filling, bytes: (heapUsed() - before) / maxTasks }));
  return memory;
}

function warm(): void {
  foldTurn(createMemory(), { events: warmUp });
}

warm();
const clusters = fillMemory();
for await (const seconds of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(foldTurn(clusters, { seconds: Number(seconds) })));
