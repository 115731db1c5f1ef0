/** What becomes of the due times that have come: each is sent in time, made up for, or passed over. */
import type { Seconds } from './event.ts';
import { dueAfter, duesAfter, type Timing } from './periodic.ts';

/** What becomes of one due time, and of those before it that nothing else becomes of. */
export interface DueRun {
  readonly due: Seconds;
  readonly outcome: 'send' | 'skip';
  /** Due times before it that were passed over; `MOST_MISSED` means that many or more. */
  readonly missed: number;
}

/** What is not later than that is in time: so long another beat may need to take over, and more. */
export const IN_TIME: Seconds = 30;
/** Counting goes no further. */
export const MOST_MISSED = 1000;

/**
 * Of the due times in (`since`, `now`], oldest first: all that are in time, and as many of the latest as are made up for, are
 * sent. Where those are none, or it has come to its end meanwhile, the latest is skipped. None is listed where none is due.
 * @param since up to here it is known what became of each @param catchUp how many of the latest are sent though late
 */
export function dueRuns(timing: Timing, since: Seconds, now: Seconds, catchUp: number): DueRun[] {
  const ended = timing.end !== null && timing.end <= now;
  const sent = ended ? [] : duesToSend(timing, since, now, catchUp);
  const [first] = sent.length > 0 ? sent : latest(timing, since, Math.min(now, timing.end ?? now), 1);
  if (first === undefined) return [];
  const missed = countBefore(timing, since, first);
  if (sent.length === 0) return [{ due: first, outcome: 'skip', missed }];
  return sent.map((due, n) => ({ due, outcome: 'send', missed: n === 0 ? missed : 0 }));
}

function duesToSend(timing: Timing, since: Seconds, now: Seconds, catchUp: number): Seconds[] {
  const inTime = duesBetween(timing, Math.max(since, now - IN_TIME), now);
  return [...latest(timing, since, now - IN_TIME, catchUp - inTime.length), ...inTime];
}

/** In (from, to], ascending. */
function duesBetween(timing: Timing, from: Seconds, to: Seconds): Seconds[] {
  const dues: Seconds[] = [];
  for (let due = dueAfter(timing, from); due !== null && due <= to; due = dueAfter(timing, due)) dues.push(due);
  return dues;
}

/** The latest `count` in (from, to], ascending, without going through all of them: looked for in ever longer spans. */
function latest(timing: Timing, from: Seconds, to: Seconds, count: number): Seconds[] {
  if (count <= 0 || from >= to) return [];
  for (let span = IN_TIME; ; span *= 2) {
    const start = Math.max(from, to - span);
    const dues = duesBetween(timing, start, to);
    if (dues.length >= count || start === from) return dues.slice(-count);
  }
}

function countBefore(timing: Timing, since: Seconds, first: Seconds): number {
  const dues = duesAfter(timing, since, MOST_MISSED);
  const at = dues.findIndex((due) => due >= first);
  return at === -1 ? dues.length : at;
}
