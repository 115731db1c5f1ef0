/**
 * Folds events from standard input, one JSON object a line; prints what it took as one JSON object, as `celery_fold.py`
 * does.
 *
 * usage: node --expose-gc --single-threaded-gc fold-ours.js celery|strict MAX_TASKS WARM_UP FILL
 * The first WARM_UP lines are folded elsewhere, so that the compiler knows the fold; FILL lines fill the memory; the rest
 * is folded at the limit. Parsing is not timed.
 */
import { createInterface } from 'node:readline';
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, type FoldName, fold } from '../../src/domain/state.ts';

const CHUNK = 1_000;

const [name, ...numbers] = process.argv.slice(2);
const [maxTasks = 0, warmUp = 0, fill = 0] = numbers.map(Number);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Folds so many lines; gives events per second of processor time. */
async function foldLines(clusters: Clusters, count: number): Promise<number> {
  let seconds = 0;
  let folded = 0;
  while (folded < count) {
    const events: Event[] = [];
    while (events.length < CHUNK && folded + events.length < count) {
      const { value, done } = await lines.next();
      if (done) return folded / seconds;
      events.push(JSON.parse(value) as Event);
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

await foldLines(createMemory(), warmUp);
const before = heapUsed();
const clusters = createMemory();
const filling = await foldLines(clusters, fill);
const bytes = (heapUsed() - before) / maxTasks;
const steady = await foldLines(clusters, Number.POSITIVE_INFINITY);
console.log(JSON.stringify({ filling, steady, bytes }));
