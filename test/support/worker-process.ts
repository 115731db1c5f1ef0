/** What one worker process would send, and how it arrives: lists, overtaking, outages, duplicates. For tests of the loss audit. */
import type { Event } from '../../src/domain/event.ts';

export interface ProcessPlan {
  readonly hostname: string;
  readonly pid: number;
  /** When it starts and ends, seconds. */
  readonly from: number;
  readonly to: number;
  /** Its first clock; more than 1 where it heard its neighbours' first. */
  readonly clock: number;
  /** When its tasks start. */
  readonly starts: readonly number[];
  /** Task events are on from here. */
  readonly enabled: number;
  /** How long a task event waits in the list at most, for one after the other. */
  readonly delays: readonly number[];
  /** It executes its tasks in its own loop, which sends nothing meanwhile. */
  readonly solo: boolean;
  /** Heartbeats that were asked for: these tell no `processed`. */
  readonly asked: readonly number[];
  /** It cannot reach the broker in this time, and sends afterwards what it had to say. */
  readonly outage: { readonly from: number; readonly to: number } | null;
  /** It counts a task so long before it tells of it, as a pool of threads may. */
  readonly race: boolean;
}

export interface Message {
  readonly at: number;
  readonly events: readonly Event[];
}

const FREQ = 2;
const RUNTIME = 0.3;
const BUFFER = 24;

/** The messages, in the order in which they are sent. */
export function messagesOf(plan: ProcessPlan): Message[] {
  const { hostname, pid, solo } = plan;
  const messages: Message[] = [];
  let clock = plan.clock - 1;
  let processed = 0;
  let active = 0;
  let buffer: Event[] = [];
  let flushAt = Number.POSITIVE_INFINITY;
  let n = 0;
  const create = (type: string, at: number, fields: object): Event => {
    clock++;
    return { type, hostname, pid, clock, timestamp: at, utcoffset: 0, ...fields };
  };
  const beat = (type: string, at: number): void => {
    messages.push({ at, events: [create(type, at, { freq: FREQ, active, processed, loadavg: [1, 1, 1] })] });
  };
  const flush = (at: number): void => {
    if (buffer.length > 0) messages.push({ at, events: buffer });
    buffer = [];
    flushAt = Number.POSITIVE_INFINITY;
  };
  const tell = (type: string, uuid: string, at: number): void => {
    if (at < plan.enabled) return;
    if (buffer.length === 0) flushAt = at + (plan.delays[n++ % plan.delays.length] ?? 0);
    buffer.push(create(`task-${type}`, at, { uuid }));
    if (buffer.length >= BUFFER) flush(at);
  };

  /** What it does, each thing at its time. */
  const agenda: { at: number; act: (at: number) => void }[] = [];
  for (const [index, start] of plan.starts.entries()) {
    const uuid = `${hostname}-${pid}-${plan.clock}-${index}`;
    agenda.push(
      { at: start, act: (at) => tell('received', uuid, at) },
      {
        at: start,
        act: (at) => {
          processed++;
          active++;
          if (plan.race) beat('worker-heartbeat', at);
          tell('started', uuid, at);
        },
      },
      {
        at: start + RUNTIME,
        act: (at) => {
          active--;
          tell('succeeded', uuid, at);
        },
      },
    );
  }
  for (let at = plan.from + FREQ; at < plan.to; at += FREQ)
    agenda.push({ at, act: (t) => beat('worker-heartbeat', t) });
  for (const at of plan.asked) {
    if (at > plan.from && at < plan.to)
      agenda.push({ at, act: (t) => messages.push({ at: t, events: [create('worker-heartbeat', t, { freq: 5 })] }) });
  }
  agenda.sort((a, b) => a.at - b.at);

  beat('worker-online', plan.from);
  for (const { at, act } of agenda) {
    if (at >= plan.to) break;
    const busy = solo && active > 0;
    if (flushAt <= at && !busy) flush(flushAt);
    act(at);
  }
  flush(plan.to);
  beat('worker-offline', plan.to);
  const { outage } = plan;
  // What was to be sent meanwhile is sent afterwards, in the same order.
  return outage
    ? messages.map(({ at, events }) => ({ at: at >= outage.from && at < outage.to ? outage.to : at, events }))
    : messages;
}
