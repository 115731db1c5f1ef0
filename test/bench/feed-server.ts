/**
 * The live feed by itself, in a process of its own: events come from nowhere and are journalled nowhere. Tells its URL on
 * the channel to its parent, begins on a word from it, and on another ends and tells when each event was published.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';
import { listen } from '../../src/http/server.ts';
import { HUB_DEFAULTS, Hub } from '../../src/live/hub.ts';
import { now } from '../../src/runtime.ts';
import { apiSources } from '../support/sources.ts';
import { LIFE, taskEvent } from './feed-load.ts';

const clusters = createClusters({ maxTasks: 100_000, maxWorkers: 1000 }, { fold: 'strict' });
const journal = { head: async () => clusters.position, latest: async () => 0, async *read() {} };
const parts = { clusters, clock: now, journal, snapshots: { loadTasks: async () => [] }, pending: () => undefined };
const options = { version: '1', epoch: 'bench', simulated: false, ...HUB_DEFAULTS };
const hub = new Hub({ ...parts, failed: console.error }, options);

const toldBy = (): Promise<number> => new Promise((resolve) => process.once('message', resolve));

await using server = await listen(apiSources({ clusters }), hub, { host: '127.0.0.1', port: 0 });
process.send?.(server.url);
const rate = await toldBy();
let isOver = false;
void toldBy().then(() => {
  isOver = true;
});

const state = stateOf(clusters, 'default');
/** By position, epoch milliseconds. */
const published: number[] = [0];
const start = performance.now();
while (!isOver) {
  // The pipeline hands over a batch of what has arrived while the one before was committed.
  const due = ((performance.now() - start) / 1000) * rate;
  while (clusters.position < due) {
    const position = clusters.position + 1;
    const subject = LIFE[position % LIFE.length]?.[0] ?? '';
    const event = taskEvent(subject, Math.floor(position / LIFE.length), position);
    const entry = { position, cluster: 'default', local_received: now(), event };
    hub.expose(state, entry, fold(clusters, entry));
  }
  while (published.length <= clusters.position) published.push(Date.now());
  hub.publish(clusters.position);
  await delay(5);
}
process.send?.(published);
await toldBy();
