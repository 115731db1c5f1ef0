/**
 * Which tasks were touched after a position, and by which events: from the trails in memory or, where those do not reach
 * back, from the journal.
 */
import type { JournalEntry, Position } from '../domain/event.ts';
import { keyOf } from '../domain/memory.ts';
import type { Clusters } from '../domain/state.ts';
import type { Journal } from '../journal/journal.ts';
import type { Trail } from './trail.ts';

/** A task that an event touched. */
export interface Touched {
  readonly cluster: string;
  readonly uuid: string;
}

/** Where it is looked up. */
export interface Traces {
  readonly clusters: Clusters;
  readonly touched: Trail<Touched>;
  readonly events: Trail<JournalEntry>;
  readonly journal: Pick<Journal, 'read'>;
}

/** Tasks, or events, to a window: putting their records together takes about a millisecond. */
export const SLICE = 500;

/** Events read of the journal at a time, and the bytes of them that are kept to be sent. */
const WINDOW = 1000;
const WINDOW_BYTES = 1 << 20;

/** What happened up to `upTo`. */
export interface Window {
  readonly upTo: Position;
  /** Tasks that were touched, each with the last position that did, in the order of these. */
  readonly touched: ReadonlyMap<string, Touched & { readonly at: Position }>;
  readonly events: readonly JournalEntry[];
}

/**
 * Learns from the journal what was touched last, up to `upTo`: so many events and bytes at most.
 * Throws where the database fails.
 */
export async function recall(
  {
    clusters,
    touched,
    journal,
  }: Pick<Traces, 'clusters' | 'touched'> & { readonly journal: Pick<Journal, 'read' | 'latest'> },
  upTo: Position,
  { events, bytes }: { readonly events: number; readonly bytes: number },
): Promise<void> {
  let at = await journal.latest({ upTo, events, bytes });
  touched.clear(at);
  for await (const entries of journal.read({ after: at, upTo })) {
    for (const entry of entries) {
      // What retention has dropped is not known.
      if (entry.position !== at + 1) touched.clear(entry.position - 1);
      at = entry.position;
      for (const one of touchedBy(clusters, entry)) touched.add(at, one);
    }
  }
  if (at < upTo) touched.clear(upTo);
}

/** What happened next. `pruned`: the journal has dropped some of it. */
export async function windowAfter(
  traces: Traces,
  after: Position,
  upTo: Position,
  wantsEvents: boolean,
): Promise<Window | 'pruned'> {
  const { touched, events } = traces;
  if (!touched.covers(after) || (wantsEvents && !events.covers(after)))
    return readWindow(traces, after, upTo, wantsEvents);
  const window = { touched: new Map<string, Touched & { at: Position }>(), events: [] as JournalEntry[] };
  let until = upTo;
  let bytes = 0;
  if (wantsEvents) {
    for (const [position, entry] of events.between(after, upTo)) {
      if (window.events.length === SLICE || bytes > WINDOW_BYTES) {
        until = position - 1;
        break;
      }
      window.events.push(entry);
      bytes += entry.size ?? 0;
    }
  }
  let last = after;
  for (const [at, one] of touched.between(after, until)) {
    if (window.touched.size >= SLICE && at > last) {
      until = at - 1;
      break;
    }
    last = at;
    setLast(window.touched, one, at);
  }
  return { ...window, upTo: until, events: window.events.filter(({ position }) => position <= until) };
}

/** The same from the journal. */
async function readWindow(
  { clusters, journal }: Traces,
  after: Position,
  upTo: Position,
  wantsEvents: boolean,
): Promise<Window | 'pruned'> {
  const touched = new Map<string, Touched & { at: Position }>();
  const events: JournalEntry[] = [];
  let at = after;
  let bytes = 0;
  reading: for await (const entries of journal.read({ after, upTo: Math.min(after + WINDOW, upTo) })) {
    for (const entry of entries) {
      // Positions have no holes, but for what retention has dropped.
      if (entry.position !== at + 1) return 'pruned';
      at = entry.position;
      for (const one of touchedBy(clusters, entry)) setLast(touched, one, at);
      if (!wantsEvents) continue;
      events.push(entry);
      bytes += entry.size ?? 0;
      if (bytes > WINDOW_BYTES) break reading;
    }
  }
  return at === after ? 'pruned' : { upTo: at, touched, events };
}

function setLast(touched: Map<string, Touched & { at: Position }>, one: Touched, at: Position): void {
  const id = idOf(one);
  touched.delete(id);
  touched.set(id, { ...one, at });
}

/** What of a window happened after a position. */
export function restOf({ upTo, touched, events }: Window, after: Position): Window {
  return {
    upTo,
    touched: new Map([...touched].filter(([, { at }]) => at > after)),
    events: events.filter(({ position }) => position > after),
  };
}

/** The tasks of which an event may have changed the record: its own, and the parent that it names. */
export function* touchedBy(clusters: Clusters, { cluster, event }: JournalEntry): Generator<Touched, void, undefined> {
  const { type, uuid, parent_id } = event;
  if (!type.startsWith('task-')) return;
  const key = keyOf(uuid);
  if (key !== null) yield { cluster, uuid: key };
  if (typeof parent_id === 'string' && clusters.byName.get(cluster)?.tasks.has(parent_id))
    yield { cluster, uuid: parent_id };
}

/** What tells touched tasks apart. */
export function idOf({ cluster, uuid }: Touched): string {
  return `${cluster}\0${uuid}`;
}
