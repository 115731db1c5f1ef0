/** The order in which the events of a task happened, whatever order they came in. */
import type { Seconds } from './event.ts';
import { type Fact, stage } from './fact.ts';

/** Where the clock of what seems to be one process falls and this much time has passed, another one has its pid. */
const RESTART: Seconds = 1;

/** True when `a` comes after `b`, both of one process. */
export function follows(a: Fact, b: Fact): boolean {
  return (
    (a.clock - b.clock ||
      a.timestamp - b.timestamp ||
      stage(a.subject) - stage(b.subject) ||
      (a.subject > b.subject ? 1 : -1)) > 0
  );
}

/**
 * The true order: the events of one process by its clock; the processes merged by the time that each had reached.
 * It depends on the set of facts alone.
 */
export function inOrder(facts: readonly Fact[]): Fact[] {
  const byProcess = new Map<string, Fact[]>();
  for (const fact of facts) {
    const sequence = byProcess.get(fact.process.key);
    if (sequence) sequence.push(fact);
    else byProcess.set(fact.process.key, [fact]);
  }
  const sequences = [...byProcess.values()].map(inOrderOfProcess);
  const merged: Fact[] = [];
  while (merged.length < facts.length) {
    let next: Placed[] | null = null;
    for (const sequence of sequences) {
      if (sequence.length > 0 && (next === null || isEarlier(sequence.at(-1) as Placed, next.at(-1) as Placed)))
        next = sequence;
    }
    if (next) merged.push((next.pop() as Placed).fact);
  }
  return merged;
}

/** A fact with the latest `timestamp` that its process had reached by then: a clock set back reorders nothing. */
interface Placed {
  readonly fact: Fact;
  readonly reached: Seconds;
}

/**
 * By the clock, whatever the wall clock says: that may be set back. But in containers the next process often has the same
 * pid, and its clock begins anew: where the clock falls as time goes by, and the events arrived in that order, too, it is
 * another process, and the order of time. Gives the latest first: the next one is at the end, where taking it is cheap.
 */
function inOrderOfProcess(facts: Fact[]): Placed[] {
  const processes: Fact[][] = [];
  let highest: Fact | null = null;
  let before: Fact | null = null;
  for (const fact of facts.sort((a, b) => a.timestamp - b.timestamp || (follows(a, b) ? 1 : -1))) {
    const isAnother =
      highest !== null &&
      before !== null &&
      fact.clock < highest.clock &&
      fact.timestamp > before.timestamp + RESTART &&
      fact.arrived > highest.arrived;
    if (isAnother || processes.length === 0) processes.push([]);
    processes.at(-1)?.push(fact);
    if (isAnother || highest === null || fact.clock > highest.clock) highest = fact;
    before = fact;
  }
  let reached = Number.NEGATIVE_INFINITY;
  const placed = processes
    .flatMap((each) => each.sort((a, b) => (follows(a, b) ? 1 : -1)))
    .map((fact): Placed => {
      reached = Math.max(reached, fact.timestamp);
      return { fact, reached };
    });
  return placed.reverse();
}

function isEarlier(a: Placed, b: Placed): boolean {
  const order = a.reached - b.reached || stage(a.fact.subject) - stage(b.fact.subject);
  return order < 0 || (order === 0 && a.fact.process.key < b.fact.process.key);
}
