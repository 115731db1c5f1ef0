/** A task message of Celery's protocol 2, as its own beat sends it, made of a periodic task's row. */
import { hostname } from 'node:os';
import type { Options } from 'amqplib';
import type { Json, Seconds } from '../domain/event.ts';
import type { PeriodicRow } from '../domain/periodic.ts';
import { fromJson, saferepr } from '../domain/saferepr.ts';
import { JSON_PROPERTIES } from './control.ts';

export interface TaskMessage {
  /** The task's id. */
  readonly id: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: Options.Publish;
}

/** What Celery calls its queue and exchange where nobody says otherwise (`task_default_queue`). */
const DEFAULT_QUEUE = 'celery';
const EMBED = '{"callbacks": null, "errbacks": null, "chain": null, "chord": null}';

/** @param row one that is fit @param sent when it is sent: its `expire_seconds` count from there */
export function taskMessage(row: PeriodicRow, id: string, sent: Seconds): TaskMessage {
  const expires = expiryOf(row, sent);
  const headers = {
    ...{ lang: 'py', shadow: null, eta: null, group: null, group_index: null, retries: 0 },
    ...{ timelimit: [null, null], parent_id: null, ignore_result: false, origin: `celerycam@${hostname()}` },
    expires: expires === null ? null : isoMicroseconds(expires),
    argsrepr: saferepr({ tuple: (JSON.parse(row.args) as Json[]).map(fromJson) }),
    kwargsrepr: saferepr(fromJson(JSON.parse(row.kwargs) as Json)),
    ...(JSON.parse(row.headers) as object),
    // Not to be overridden: who it is. Without an id a worker dies.
    ...{ task: row.task, id, root_id: id, periodic_task_name: row.name },
  };
  return {
    id,
    ...targetOf(row),
    // As they stand there: numbers that JavaScript cannot hold go through unharmed.
    body: Buffer.from(`[${row.args}, ${row.kwargs}, ${EMBED}]`),
    properties: {
      ...JSON_PROPERTIES,
      ...(row.priority !== null && { priority: row.priority }),
      ...(expires !== null && { expiration: String(Math.max(0, Math.round((expires - sent) * 1000))) }),
      deliveryMode: 2,
      correlationId: id,
      headers,
    },
  };
}

/** Where Celery would publish it, were each queue declared by default: with an exchange and a routing key of its name. */
function targetOf({ queue, exchange, routing_key }: PeriodicRow): Pick<TaskMessage, 'exchange' | 'routingKey'> {
  const name = queue || DEFAULT_QUEUE;
  if (exchange) return { exchange, routingKey: routing_key || name };
  return routing_key ? { exchange: name, routingKey: routing_key } : { exchange: '', routingKey: name };
}

function expiryOf({ expires, expire_seconds }: PeriodicRow, sent: Seconds): Seconds | null {
  if (expire_seconds === null) return expires;
  return Math.min(expires ?? Number.POSITIVE_INFINITY, sent + expire_seconds);
}

/** Celery up to 5.2 reads the fraction as microseconds, so it has to have six digits. */
function isoMicroseconds(time: Seconds): string {
  const microseconds = Math.round(time * 1e6);
  const seconds = new Date(Math.floor(microseconds / 1e6) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(microseconds % 1e6).padStart(6, '0')}+00:00`;
}
