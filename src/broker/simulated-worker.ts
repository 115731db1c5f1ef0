/** A worker of the simulated cluster: what it says of itself and of its tasks, in Celery's own wire form. */
import type { Json, Seconds } from '../domain/event.ts';
import type { Agenda, Chance } from './agenda.ts';

/** Between heartbeats; Celery's default. */
const FREQ: Seconds = 2;
/** A worker flushes its task events when it holds this many, else at the next turn of its loop (PROTOCOL A.5). */
const BUFFER = 24;
/** Share of flushes that find nothing and send an empty list all the same, as real workers do now and then. */
const EMPTY = 0.05;
/** Each worker is restarted about so often, and away for so long. */
const UPTIME: Seconds = 300;
const AWAY: Seconds = 6;

/** One message to the event exchange. Its properties are those of every Celery event: JSON, UTF-8, transient. */
export interface SimulatedMessage {
  /** When it is sent, seconds since the start. */
  readonly at: Seconds;
  readonly routing_key: string;
  /** The header that Celery sends along. */
  readonly hostname: string;
  readonly body: string;
  /** Events in it. */
  readonly events: number;
}

export interface Surroundings {
  readonly agenda: Agenda;
  readonly chance: Chance;
  readonly start: Seconds;
  readonly publish: (message: SimulatedMessage) => void;
  readonly lists: boolean;
  /** All workers, itself included. */
  readonly workers: readonly SimulatedWorker[];
}

export class SimulatedWorker {
  readonly hostname: string;
  /** How its pool process names itself where it publishes tasks. */
  readonly pool: { readonly hostname: string; readonly pid: number };
  readonly #around: Surroundings;
  #pid: number;
  #clock = 0;
  #active = 0;
  #processed = 0;
  #load = 1;
  #state: 'offline' | 'online' | 'stopping' = 'offline';
  #left = false;
  /** Task events on their way, as JSON texts. */
  #buffer: string[] = [];

  constructor(index: number, around: Surroundings) {
    const host = `worker${index + 1}`;
    this.hostname = `celery@${host}`;
    this.pool = { hostname: `gen${20_000 + index}@${host}`, pid: 20_000 + index };
    this.#around = around;
    this.#pid = 1000 + 10 * index;
  }

  get takesTasks(): boolean {
    return this.#state === 'online';
  }

  /** Starts it, as a new process. */
  comeUp(at: Seconds): void {
    const { agenda, chance, workers } = this.#around;
    agenda.add(at, (then) => {
      if (this.#left) return;
      this.#pid++;
      this.#clock = 0;
      this.#processed = 0;
      this.#state = 'online';
      this.#tellOfItself('worker-online', then);
      this.#beat(then + FREQ, this.#pid);
      if (workers.length > 1) agenda.add(then + UPTIME * chance.between(0.5, 1.5), (end) => this.#stop(end));
    });
  }

  /** For good. */
  leave(at: Seconds): void {
    this.#left = true;
    this.#goOffline(at);
  }

  start(uuid: string, at: Seconds): void {
    this.#active++;
    this.#processed++;
    this.tell('task-started', { uuid }, at);
  }

  finish(at: Seconds): void {
    this.#active--;
    if (this.#state === 'stopping' && this.#active === 0) this.#goOffline(at);
  }

  /** Says something of a task. */
  tell(type: string, fields: Readonly<Record<string, Json>>, at: Seconds): void {
    const { agenda, chance, lists, publish } = this.#around;
    const text = this.#text(type, fields, at);
    if (!lists) {
      publish({ at, routing_key: type.replaceAll('-', '.'), hostname: this.hostname, body: text, events: 1 });
      return;
    }
    if (this.#buffer.push(text) === 1) agenda.add(at + chance.between(0.0005, 0.003), (then) => this.#flush(then));
    if (this.#buffer.length === BUFFER) this.#flush(at);
  }

  /** A warm shutdown: no new tasks, and offline when the last has ended. */
  #stop(at: Seconds): void {
    if (this.#state !== 'online') return;
    this.#state = 'stopping';
    if (this.#active === 0) this.#goOffline(at);
  }

  #goOffline(at: Seconds): void {
    if (this.#state === 'offline') return;
    this.#flush(at);
    this.#state = 'offline';
    this.#tellOfItself('worker-offline', at);
    this.comeUp(at + AWAY);
  }

  #beat(at: Seconds, pid: number): void {
    const { agenda, workers } = this.#around;
    agenda.add(at, (then) => {
      if (this.#state === 'offline' || this.#pid !== pid) return;
      // Not buffered, so it overtakes the task events that wait.
      this.#tellOfItself('worker-heartbeat', then);
      this.#flush(then);
      // Gossip: the others hear the heartbeat and set their Lamport clocks by it.
      for (const other of workers) if (other !== this) other.#clock = Math.max(other.#clock, this.#clock) + 1;
      this.#beat(then + FREQ, pid);
    });
  }

  #tellOfItself(type: string, at: Seconds): void {
    this.#load = Math.max(0.05, this.#load + this.#around.chance.between(-0.2, 0.2));
    const loadavg = [this.#load, 0.5 + this.#load / 2, 0.7].map((load) => Math.round(load * 100) / 100);
    const fields = { freq: FREQ, active: this.#active, processed: this.#processed, loadavg };
    const software = { sw_ident: 'py-celery', sw_ver: '5.2.6', sw_sys: 'Linux' };
    const body = this.#text(type, { ...fields, ...software }, at);
    this.#around.publish({ at, routing_key: type.replaceAll('-', '.'), hostname: this.hostname, body, events: 1 });
  }

  #text(type: string, fields: Readonly<Record<string, Json>>, at: Seconds): string {
    this.#clock++;
    const { hostname } = this;
    const timestamp = this.#around.start + at;
    return eventText({ hostname, utcoffset: 0, pid: this.#pid, clock: this.#clock, ...fields, timestamp, type });
  }

  #flush(at: Seconds): void {
    const { chance, publish, lists } = this.#around;
    if (!lists || (this.#buffer.length === 0 && !chance.in(EMPTY))) return;
    const body = `[${this.#buffer.join(', ')}]`;
    publish({ at, routing_key: 'task.multi', hostname: this.hostname, body, events: this.#buffer.length });
    this.#buffer = [];
  }
}

/** JSON as Python writes it: a space after each comma and colon. */
export function eventText(fields: Readonly<Record<string, Json>>): string {
  let text = '{';
  for (const name in fields) {
    const value = fields[name];
    const written = Array.isArray(value)
      ? `[${value.join(', ')}]`
      : typeof value === 'number'
        ? value
        : JSON.stringify(value);
    text += `${text === '{' ? '' : ', '}"${name}": ${written}`;
  }
  return `${text}}`;
}

const FAILURES = [
  ['ValueError', "invalid literal for int() with base 10: 'x'"],
  ['ConnectionError', 'connection refused by upstream'],
  ['KeyError', "'customer_id'"],
  ['TimeoutError', 'no answer within 30 s'],
] as const;

/** The exception and the traceback of a task that went wrong. */
export function failureOf(name: string, chance: Chance): { readonly exception: string; readonly traceback: string } {
  const [type, message] = chance.pick([FAILURES[0], ...FAILURES.slice(1)]);
  const frames = [
    'app/trace.py", line 451, in trace_task',
    'app/trace.py", line 734, in __protected_call__',
    `${name.replace('.', '/')}.py", line 42, in run`,
  ];
  for (let depth = 1; depth <= 8; depth++) frames.push(`lib/client.py", line ${100 * depth + 7}, in call_${depth}`);
  const lines = frames.map((frame) => `  File "/srv/app/${frame}\n    return self.proceed(request, *args, **kwargs)\n`);
  const text = `${type}: ${message}`;
  return {
    exception: `${type}(${JSON.stringify(message)})`,
    traceback: `Traceback (most recent call last):\n${lines.join('')}${text}\n`,
  };
}
