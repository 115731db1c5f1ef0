/**
 * Folds events from standard input, one JSON object a line; prints what it took as one JSON object, as `celery_fold.py`
 * does.
 *
 * usage: node --expose-gc --single-threaded-gc fold-ours.js celery|strict MAX_TASKS WARM_UP FILL STEADY <FILE
 * The first WARM_UP lines are folded elsewhere, so that the compiler knows the fold; FILL lines fill the memory; STEADY
 * lines are folded at the limit. Reading and parsing are not timed, and nothing is read while events are folded.
 */
import { readSync } from 'node:fs';
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, type FoldName, fold } from '../../src/domain/state.ts';

const CHUNK = 1_000;

const [name, ...numbers] = process.argv.slice(2);
const [maxTasks = 0, warmUp = 0, fill = 0, steadily = 0] = numbers.map(Number);
const lines = linesOf(0);

function* linesOf(file: number): Generator<string, undefined, undefined> {
  const buffer = Buffer.alloc(65_536);
  let rest = '';
  for (let size = readSync(file, buffer); size > 0; size = readSync(file, buffer)) {
    const read = (rest + buffer.toString('latin1', 0, size)).split('\n');
    rest = read.pop() ?? '';
    yield* read;
  }
}

/** Folds so many lines; gives events per second of processor time. */
function foldLines(clusters: Clusters, count: number): number {
  let seconds = 0;
  let folded = 0;
  while (folded < count) {
    const events: Event[] = [];
    while (events.length < CHUNK && folded + events.length < count) {
      const line = lines.next().value;
      if (line === undefined) throw new Error(`the file has ${count - folded - events.length} events too few`);
      events.push(JSON.parse(line) as Event);
    }
    const begin = processorTime();
    for (const event of events) {
      const position = clusters.position + 1;
      fold(clusters, { position, cluster: 'default', local_received: event.timestamp as number, event });
    }
    seconds += processorTime() - begin;
    folded += events.length;
  }
  return folded / seconds;
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

foldLines(createMemory(), warmUp);
const before = heapUsed();
const clusters = createMemory();
const filling = foldLines(clusters, fill);
const bytes = (heapUsed() - before) / maxTasks;
const steady = foldLines(clusters, steadily);
console.log(JSON.stringify({ filling, steady, bytes }));
