/** `celerycam replay`: folds a file of dumped events without broker or database, and prints the state that they lead to. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { isEvent, notAnEvent } from '../broker/decoder.ts';
import { loadConfig } from '../config.ts';
import { Comparison } from '../domain/difference.ts';
import type { Event, Json, Seconds } from '../domain/event.ts';
import { reportTasks, reportWithoutTasks } from '../domain/report.ts';
import { type Clusters, createClusters, type FoldName, fold, type State, stateOf } from '../domain/state.ts';
import { MonitorError, reasonOf } from '../errors.ts';
import { parseJson } from '../python-json.ts';
import { printDifferences } from './difference.ts';
import { linesOf } from './lines.ts';
import { printJson, printSummary } from './report.ts';

export interface ReplayOptions {
  /** Print everything as one JSON object instead of a summary. */
  readonly json: boolean;
  /** Print where the two reducers disagree instead: of all tasks, however many. */
  readonly diff: boolean;
  readonly maxTasks: number;
  readonly fold: FoldName;
}

/** Options as they came from the command line. @throws MonitorError CONFIG_INVALID */
export function replayOptions(flags: Readonly<Record<string, unknown>>): ReplayOptions {
  const { diff, ...rest } = flags;
  const { state } = loadConfig(rest, {}, ['Memory']);
  return { json: flags['json'] === true, diff: diff === true, maxTasks: state.maxTasks, fold: state.fold };
}

/**
 * Folds a file, `-` for standard input, and prints the outcome. What cannot be decoded is told on stderr with its line, and
 * is no failure.
 * @throws MonitorError FILE_UNREADABLE
 */
export async function replay(file: string, { json, diff, maxTasks, fold }: ReplayOptions): Promise<void> {
  const limits = { maxTasks, maxWorkers: maxTasks };
  const clusters = createClusters(limits, { fold, timeOrder: fold === 'celery' });
  const comparison = diff ? new Comparison() : null;
  const outcome = new Replay(clusters, comparison);
  try {
    for await (const lines of linesOf(
      file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 }),
    )) {
      for (const line of lines) outcome.add(line);
    }
  } catch (cause) {
    const name = file === '-' ? 'standard input' : file;
    throw new MonitorError('FILE_UNREADABLE', `${name} could not be read: ${reasonOf(cause)}`, { cause });
  }
  if (comparison) {
    if (!printDifferences(comparison, json, process.stdout)) process.exitCode = 1;
    return;
  }
  const { state, end, undecodable } = outcome;
  if (state.forgetful) {
    process.stderr.write(
      `more than ${maxTasks} tasks: the first that had ended were dropped; give a higher --max-tasks\n`,
    );
  }
  if (json) printJson({ ...reportWithoutTasks(state, end), tasks: reportTasks(state) }, process.stdout);
  else printSummary(state, end, undecodable, process.stdout);
}

const CLUSTER = 'replay';

/** A fold under way. */
class Replay {
  undecodable = 0;
  readonly #clusters: Clusters;
  readonly #comparison: Comparison | null;
  #line = 0;
  #position = 0;
  #latest: Seconds = 0;

  /** @param comparison takes the events instead, where there is one */
  constructor(clusters: Clusters, comparison: Comparison | null) {
    this.#clusters = clusters;
    this.#comparison = comparison;
  }

  get state(): State {
    return stateOf(this.#clusters, CLUSTER);
  }

  /** When the recording ended: the moment at which the workers are judged. */
  get end(): Seconds {
    return this.#latest;
  }

  /** One line: `{"body": event or list of events, "local_received": time or list of times, …}`. Empty lines are nothing. */
  add(line: Buffer): void {
    this.#line += 1;
    if (line.length === 0 || line.toString('latin1').trim() === '') return;
    try {
      if (!isUtf8(line)) throw new Error('not valid UTF-8');
      this.#message(parseJson(line.toString()).value);
    } catch (error) {
      this.#complain(reasonOf(error).replace(/^the body/, 'the line'));
    }
  }

  #message(message: Json): void {
    if (typeof message !== 'object' || message === null || !('body' in message)) {
      throw new Error('expected an object with "body", as `celerycam dump` prints it');
    }
    const { body = null, local_received: times = null } = message;
    if (!Array.isArray(body)) {
      if (isEvent(body)) this.#fold(body, times);
      else this.#complain(`the body is ${notAnEvent(body)}`);
      return;
    }
    for (const [i, event] of body.entries()) {
      if (isEvent(event)) this.#fold(event, Array.isArray(times) ? times[i] : times);
      else this.#complain(`element ${i + 1} of the body is ${notAnEvent(event)}`);
    }
  }

  #fold(event: Event, time: Json | undefined): void {
    const local_received = [time, event['timestamp']].find((value) => typeof value === 'number') ?? 0;
    this.#latest = Math.max(this.#latest, local_received);
    this.#position += 1;
    const entry = { position: this.#position, cluster: CLUSTER, local_received, event };
    if (this.#comparison) this.#comparison.add(entry);
    else fold(this.#clusters, entry);
  }

  #complain(reason: string): void {
    this.undecodable += 1;
    process.stderr.write(`line ${this.#line}: ${reason}\n`);
  }
}
