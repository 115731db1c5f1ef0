/**
 * What is made of what was seen of brokers, workers, the record and its database: sentences, and what to type where something
 * is not as it should be. `celerycam doctor` looks for a moment and asks the workers; a recorder tells what it has heard.
 */
import type { Seconds } from './event.ts';
import type { SeenPeriodic } from './periodic-findings.ts';

export interface Finding {
  /** `problem`: celerycam cannot do its work. `note`: it can, but shows less than it might. */
  readonly level: 'ok' | 'note' | 'problem';
  readonly text: string;
  /** What to type or to set. */
  readonly remedy?: readonly string[];
}

/** What the configuration of one worker says. */
export interface SeenWorker {
  readonly sendsTaskEvents: boolean;
  readonly sendsSentEvents: boolean;
}

/** What was seen of one broker while listening to it. */
export interface SeenBroker {
  /** RabbitMQ's version; null when it did not let us in, then `error` says why. */
  readonly version: string | null;
  readonly error: string | null;
  /** Workers that answered the remote control, by node name; null: nobody asked them. */
  readonly workers: ReadonlyMap<string, SeenWorker> | null;
  /** Node names from which events came, with their clock minus ours. */
  readonly skews: ReadonlyMap<string, Seconds>;
  /** Node names from which task events came. */
  readonly taskEvents: ReadonlySet<string>;
  readonly sentEvents: boolean;
  /** Node names whose heartbeats said that they processed tasks meanwhile. */
  readonly atWork: ReadonlySet<string>;
  /** How long was listened. */
  readonly listened: Seconds;
  /** The durable queue, where one is configured; without counts when it does not exist. */
  readonly queue: { readonly name: string; readonly messages: number | null; readonly consumers: number | null } | null;
}

export interface SeenDatabase {
  /** False: it is the embedded one, and was never started. */
  readonly exists: boolean;
  /** PostgreSQL's version; null when it did not let us in. */
  readonly version: string | null;
  readonly error: string | null;
  readonly schema: string;
  readonly applied: number;
  readonly pending: readonly string[];
  /** Migrations that only a newer celerycam knows. */
  readonly unknown: readonly string[];
  /** Why it cannot be recorded in. */
  readonly lacking: readonly string[];
  /** Null where it could not be looked for them. */
  readonly periodic: SeenPeriodic | null;
}

/** Clocks further apart than this make times hard to read; Celery itself warns at 16 seconds. */
const SKEW: Seconds = 1;

/** What a user of the broker must be able to configure, write to and read: the events, and the workers' remote control. */
const PERMISSIONS = '^(celeryev.*|celerycam.*|(reply\\.)?celery\\.pidbox|amq\\.gen.*)$';

export function examineBroker(seen: SeenBroker): Finding[] {
  if (seen.version === null) {
    const text = seen.error ?? 'the broker does not answer';
    const [, vhost, user] = /in vhost '(.*)' refused for user '(.*)'/.exec(text) ?? [];
    const remedy = user
      ? [
          `rabbitmqctl set_permissions -p '${vhost}' '${user}' ${`'${PERMISSIONS}' `.repeat(3)}(and the name of --queue)`,
        ]
      : ['celerycam doctor --broker amqp://user:password@host:5672/vhost', 'is it running? rabbitmqctl status'];
    return [{ level: 'problem', text, remedy }];
  }
  return [
    { level: 'ok', text: `the broker answers: RabbitMQ ${seen.version}` },
    ...examineQueue(seen.queue),
    ...examineWorkers(seen),
    ...examineClocks(seen),
  ];
}

function examineQueue(queue: SeenBroker['queue']): Finding[] {
  if (queue === null) return [];
  const { name, messages, consumers } = queue;
  if (messages === null || consumers === null) {
    return [{ level: 'note', text: `the queue "${name}" does not exist yet: \`celerycam run\` creates it` }];
  }
  const text = `the queue "${name}" holds ${messages} messages and has ${consumers} consumers`;
  if (messages < 10_000 || consumers > 0) return [{ level: 'ok', text }];
  const remedy = [`celerycam run --queue ${name}`, `or, if nobody wants it any more: rabbitmqctl delete_queue ${name}`];
  return [{ level: 'problem', text: `${text}: nobody takes them out`, remedy }];
}

function examineWorkers(seen: SeenBroker): Finding[] {
  const { skews, taskEvents, sentEvents, atWork, listened } = seen;
  const isAsked = seen.workers !== null;
  const workers = seen.workers ?? NOBODY;
  const silent = [...skews.keys()].filter((hostname) => !workers.has(hostname) && !hostname.startsWith('gen'));
  if (workers.size === 0 && silent.length === 0) {
    const remedy = [
      'celery -A proj worker -E',
      'running already? then on another broker or virtual host: celery -A proj inspect ping',
    ];
    const text = isAsked ? 'no worker answers, and none sent a heartbeat' : 'no worker is heard of';
    return [{ level: 'problem', text, remedy }];
  }
  const findings: Finding[] = [];
  if (workers.size > 0) findings.push({ level: 'ok', text: `${list(workers.keys())} answered` });
  if (isAsked && silent.length > 0) {
    const text = `${list(silent)} sent events but did not answer: remote control is off there (worker_enable_remote_control), or it is busy`;
    findings.push({ level: 'note', text });
  }
  const all = [...workers.keys(), ...silent];
  const on = all.filter((hostname) => workers.get(hostname)?.sendsTaskEvents || taskEvents.has(hostname));
  const unsure = all.filter((hostname) => !on.includes(hostname));
  if (on.length > 0) findings.push({ level: 'ok', text: `task events are on at ${list(on)}` });
  const guilty = unsure.filter((hostname) => atWork.has(hostname));
  const idle = unsure.filter((hostname) => !atWork.has(hostname));
  if (guilty.length > 0) {
    const text = `task events are off at ${list(guilty)}, which processed tasks meanwhile: nothing of them is recorded`;
    findings.push({ level: 'problem', text, remedy: TASK_EVENTS_ON });
  }
  if (idle.length > 0) {
    // A worker started with -E does not tell so; only its task events do.
    const unset = isAsked
      ? `worker_send_task_events is not set at ${list(idle)}, and no task event came`
      : `none came from ${list(idle)}`;
    const text = `task events: ${unset} in ${Math.round(listened)} s; unless started with -E, nothing of its tasks is recorded`;
    findings.push({ level: 'note', text, remedy: TASK_EVENTS_ON });
  }
  if (sentEvents || [...workers.values()].some(({ sendsSentEvents }) => sendsSentEvents)) {
    findings.push({ level: 'ok', text: 'task-sent events are on: tasks show as soon as they are published' });
  } else {
    const text = 'task-sent events seem to be off: tasks show only when a worker receives them';
    findings.push({
      level: 'note',
      text,
      remedy: ['in the configuration of the app that publishes: task_send_sent_event = True'],
    });
  }
  return findings;
}

const TASK_EVENTS_ON = [
  'now: celery -A proj control enable_events',
  'for good: start the worker with -E, or set worker_send_task_events = True',
];

const NOBODY: ReadonlyMap<string, SeenWorker> = new Map();

function examineClocks({ skews, workers }: SeenBroker): Finding[] {
  const off = [...skews].filter(([, skew]) => Math.abs(skew) > SKEW);
  if (off.length > 0) {
    return off.map(([hostname, skew]) => ({
      level: 'problem',
      text: `the clock of ${hostname} is ${Math.abs(skew).toFixed(1)} s ${skew > 0 ? 'ahead of' : 'behind'} this machine’s`,
      remedy: ['on the machine that is wrong: timedatectl set-ntp true'],
    }));
  }
  if (skews.size === 0) {
    return workers && workers.size > 0
      ? [{ level: 'note', text: 'no event came, so clocks could not be compared' }]
      : [];
  }
  const most = Math.max(...[...skews.values()].map(Math.abs));
  return [{ level: 'ok', text: `the clocks agree within ${most.toFixed(2)} s` }];
}

/** What a recorder knows of its own work, since it was started. */
export interface SeenRecorder {
  /** Why nothing can be recorded; null while it can. */
  readonly error: string | null;
  /** Clusters that it listens to as a guest. */
  readonly guestOf: readonly string[];
  /** Tasks that workers began, by their own count: heard of, and not. */
  readonly captured: number;
  readonly lost: number;
  readonly gaps: number;
  readonly deadLetters: number;
  /** Tasks that had not ended and were dropped from memory. */
  readonly evicted: number;
}

export function examineRecorder({
  error,
  guestOf,
  captured,
  lost,
  gaps,
  deadLetters,
  evicted,
}: SeenRecorder): Finding[] {
  const findings: Finding[] = [
    error === null
      ? { level: 'ok', text: 'what arrives is recorded' }
      : {
          level: 'problem',
          text: `nothing can be recorded: ${error}`,
          remedy: ['it goes on by itself when the database answers'],
        },
  ];
  if (guestOf.length > 0) {
    const text = `a guest at the broker of ${list(guestOf)}: what happens while celerycam is away is missed`;
    findings.push({ level: 'note', text, remedy: ['a queue that waits meanwhile: celerycam run --queue celerycam'] });
  }
  if (lost > 0) {
    const text = `of ${captured + lost} tasks that workers began ${lost} were not heard of`;
    findings.push({
      level: 'note',
      text,
      remedy: [...TASK_EVENTS_ON, 'tasks with send_events=False count among them'],
    });
  } else if (captured > 0)
    findings.push({ level: 'ok', text: `all ${captured} tasks that workers began were heard of` });
  if (gaps > 0)
    findings.push({
      level: 'note',
      text: `events may have been missed in ${gaps} ${gaps === 1 ? 'gap' : 'gaps'} since the start`,
    });
  if (deadLetters > 0) {
    findings.push({
      level: 'note',
      text: `${deadLetters} messages since the start could not be decoded: dead letters`,
    });
  }
  if (evicted > 0) {
    const text = `${evicted} tasks that had not ended were dropped from memory: more are under way than it may hold`;
    findings.push({ level: 'note', text, remedy: ['celerycam run --max-tasks 500000 (or more)'] });
  }
  return findings;
}

export function examineDatabase(seen: SeenDatabase): Finding[] {
  if (!seen.exists) {
    return [
      { level: 'note', text: 'the embedded Postgres is not set up yet: `celerycam run` does it at its first start' },
    ];
  }
  if (seen.version === null) {
    const remedy = ['celerycam doctor --database postgres://user:password@host/database'];
    return [{ level: 'problem', text: seen.error ?? 'the database does not answer', remedy }];
  }
  return [
    { level: 'ok', text: `the database answers: PostgreSQL ${seen.version}` },
    ...seen.lacking.map((text): Finding => ({ level: 'problem', text })),
    examineSchema(seen),
  ];
}

function examineSchema({ schema, applied, pending, unknown }: SeenDatabase): Finding {
  if (unknown.length > 0) {
    const text = `the schema "${schema}" was set up by a newer celerycam (${unknown.join(', ')})`;
    return { level: 'problem', text, remedy: ['npm install -g celerycam@latest'] };
  }
  if (pending.length === 0)
    return { level: 'ok', text: `the schema "${schema}" is up to date (${applied} migrations)` };
  const text =
    applied === 0 ? `the schema "${schema}" is not set up yet` : `the schema "${schema}" lacks ${pending.join(', ')}`;
  return { level: 'note', text, remedy: ['celerycam migrate up (celerycam run does it by itself)'] };
}

function list(names: Iterable<string>): string {
  const all = [...names].sort();
  return all.length <= 5 ? all.join(', ') : `${all.slice(0, 5).join(', ')} and ${all.length - 5} more`;
}
