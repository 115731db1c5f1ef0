/** The records that match at present, in parts that the client takes one by one; what changes meanwhile comes after them. */
import { setImmediate } from 'node:timers/promises';
import type { Position } from '../domain/event.ts';
import type { Clusters, State } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import { snapshotFrame } from './frame.ts';
import { Held } from './group.ts';
import type { Present } from './present.ts';
import type { Run } from './session.ts';
import type { Subscription } from './subscription.ts';
import { SLICE } from './touched.ts';
import type { Turns } from './turns.ts';

export interface SnapshotParts {
  readonly clusters: Clusters;
  readonly present: Present;
  readonly turns: Turns;
  /** Characters of records after which a part ends. */
  readonly maxText: number;
  /** Everything up to here is folded and was sent to those who hear of changes; and the cursor of it. */
  readonly position: Position;
  readonly cursor: string;
}

/** Tasks to a snapshot; the newest. */
const MAX_SNAPSHOT = 10_000;

/** Characters of records after which a part ends anyway: it is in memory for each client that does not take it. */
const MAX_PART = 256 << 10;

/** Sends them, and notes in the session what it holds then and how far it is. */
export async function sendSnapshot(run: Run, parts: SnapshotParts): Promise<void> {
  const { session, subscription, isOver } = run;
  const { present, turns, position, cursor } = parts;
  const maxText = Math.min(parts.maxText, MAX_PART);
  const found = await turns.take(isOver, () => findMatching(parts.clusters, run));
  if (!found || isOver()) return;
  const matching = found.reduce((sum, { uuids }) => sum + uuids.length, 0);
  let left = Math.min(matching, MAX_SNAPSHOT);
  let omitted = matching - left;
  const places = newestOf(found, left);
  session.held = new Held();
  for (let part = 0, isLast = false; !isLast && !isOver(); part += 1) {
    await session.sink.drained();
    await turns.take(isOver, () => {
      const tasks: string[] = [];
      for (let n = 0, length = 0; left > 0 && n < SLICE && length <= maxText; n += 1, left -= 1) {
        const [state, uuid] = places.next().value as Place;
        const task = present.find(state.cluster, uuid);
        if (!task) omitted += 1;
        if (!isMeant(subscription, task, state)) continue;
        session.held?.add(state.cluster, uuid);
        const text = present.taskText(state, task);
        length += text.length;
        tasks.push(text);
      }
      isLast = left === 0;
      const { topics, told } = subscription;
      const workers = isLast && topics.has('workers') ? present.workerTexts(told.cluster) : [];
      session.sink.send(snapshotFrame(part, isLast ? cursor : null, tasks, workers, omitted));
    });
  }
  // Where it wants something else by now, its position is that of another run.
  if (!isOver()) session.position = position;
}

type Place = readonly [State, string];

interface Found {
  readonly state: State;
  readonly uuids: string[];
}

/** Ids, the newest last, so that nothing is held meanwhile. Few where the run is over before. */
async function findMatching(clusters: Clusters, { subscription, isOver }: Run): Promise<readonly Found[]> {
  const { topics, told } = subscription;
  const found: Found[] = [];
  for (const state of topics.has('tasks') ? clusters.byName.values() : []) {
    if (told.cluster !== null && state.cluster !== told.cluster) continue;
    const uuids: string[] = [];
    found.push({ state, uuids });
    let n = 0;
    for (const task of state.tasks.values()) {
      if (isMeant(subscription, task, state)) uuids.push(task.uuid);
      n += 1;
      if (n % (10 * SLICE) === 0) await setImmediate();
      if (isOver()) return found;
    }
  }
  return found;
}

/** The last ones. */
function* newestOf(found: readonly Found[], count: number): Generator<Place, void, undefined> {
  let skip = found.reduce((sum, { uuids }) => sum + uuids.length, 0) - count;
  for (const { state, uuids } of found) {
    for (let n = Math.max(0, skip); n < uuids.length; n += 1) yield [state, uuids[n] as string];
    skip -= uuids.length;
  }
}

function isMeant({ matches }: Subscription, task: Task | undefined, { cluster }: State): task is Task {
  return task !== undefined && (matches === null || matches(task, cluster));
}
