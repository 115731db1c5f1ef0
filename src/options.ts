/** The options, each once: where it may be given, what it may be, its default and one line for people. */
import { homedir } from 'node:os';
import { z } from 'zod';
import {
  basicAuth,
  corsOrigin,
  headerName,
  network,
  redactKey,
  role,
  surfaces,
  urlPrefix,
  yes,
} from './access-values.ts';
import { brokerUrl, bytes, count, databaseUrl, duration, durationOrNever, rate } from './option-values.ts';

export type OptionGroup =
  | 'Broker'
  | 'Database'
  | 'Camera and retention'
  | 'Results'
  | 'Memory'
  | 'Periodic tasks'
  | 'HTTP'
  | 'Redaction'
  | 'Logging';

/** One option. Its flag is the key in kebab case, its variable that in capitals after `CELERYCAM_`. */
export interface OptionSpec {
  readonly group: OptionGroup;
  /** What stands for the value in `--help`. */
  readonly value: string;
  readonly schema: z.ZodType<unknown, string>;
  /** As one would write it; null: not set. Several values stand with spaces between. */
  readonly default: string | null;
  readonly doc: string;
  /** May stand without a value, which means `yes`. */
  readonly bare?: true;
  /** What is given is shown nowhere. */
  readonly secret?: true;
  /** May be given several times; several values in one variable stand with spaces between. */
  readonly many?: true;
  /** Names of variables that people have already, read after our own. */
  readonly env?: readonly string[];
}

const text = z.string().min(1, 'some text');

export const OPTIONS = {
  broker: {
    group: 'Broker',
    value: '[name=]url',
    many: true,
    env: ['CELERY_BROKER_URL'],
    schema: brokerUrl,
    default: null,
    doc: 'Broker to record, `amqp://` or `amqps://`; again with another name for another cluster; `;` between URLs of one for failover',
  },
  queue: {
    group: 'Broker',
    value: 'name',
    schema: text,
    default: null,
    doc: 'Durable mode: the queue to keep events in while celerycam is away. Without it: guest mode',
  },
  queueType: {
    group: 'Broker',
    value: 'type',
    schema: z.enum(['quorum', 'classic'], 'quorum or classic'),
    default: 'quorum',
    doc: 'Type of the durable queue: `quorum`, or `classic`, which loses what it holds when the broker restarts',
  },
  queuePrefix: {
    group: 'Broker',
    value: 'prefix',
    schema: text,
    default: 'celeryev',
    doc: 'Prefix of the queue name in guest mode; Celery’s `event_queue_prefix`',
  },
  queueTtl: {
    group: 'Broker',
    value: 'time',
    schema: duration,
    default: '5s',
    doc: 'How long the guest queue keeps a message; Celery’s `event_queue_ttl`',
  },
  queueExpires: {
    group: 'Broker',
    value: 'time',
    schema: duration,
    default: '60s',
    doc: 'How long an unused guest queue lives; Celery’s `event_queue_expires`',
  },
  exchange: {
    group: 'Broker',
    value: 'name',
    schema: text,
    default: 'celeryev',
    doc: 'Exchange of the events; Celery’s `event_exchange`',
  },
  routingKey: {
    group: 'Broker',
    value: 'key',
    many: true,
    schema: text,
    default: 'task.# worker.#',
    doc: 'Binding key; may be repeated. `#` takes custom events of other groups too',
  },
  controlExchange: {
    group: 'Broker',
    value: 'name',
    schema: text,
    default: 'celery',
    doc: 'Prefix of the control exchange, by which workers are woken; Celery’s `control_exchange`',
  },
  prefetch: {
    group: 'Broker',
    value: 'n',
    schema: count(1, 65_535),
    default: '8000',
    doc: 'Messages that the broker sends ahead of acknowledgement in durable mode',
  },
  heartbeat: {
    group: 'Broker',
    value: 'time',
    schema: duration,
    default: '10s',
    doc: 'AMQP heartbeat: a silent connection is given up after twice as long',
  },
  tlsCa: {
    group: 'Broker',
    value: 'file',
    schema: text,
    default: null,
    doc: 'PEM file of the CA that signed the broker’s certificate',
  },
  tlsCert: { group: 'Broker', value: 'file', schema: text, default: null, doc: 'PEM file of the client certificate' },
  tlsKey: {
    group: 'Broker',
    value: 'file',
    schema: text,
    default: null,
    doc: 'PEM file of the client certificate’s key',
  },

  database: {
    group: 'Database',
    value: 'url',
    env: ['DATABASE_URL'],
    schema: databaseUrl,
    default: 'embedded',
    doc: 'Postgres to record in, `postgres://…`; `embedded`: one of its own in the data directory',
  },
  schema: {
    group: 'Database',
    value: 'name',
    schema: z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'a lower-case SQL name of at most 63 characters'),
    default: 'celerycam',
    doc: 'Postgres schema that holds everything',
  },
  dataDir: {
    group: 'Database',
    value: 'dir',
    schema: text.transform((path) => path.replace(/^~(?=\/|$)/, homedir())),
    default: '~/.local/share/celerycam',
    doc: 'Data directory of the embedded Postgres (below `$XDG_DATA_HOME` where that is set; `/var/lib/celerycam` for root)',
  },

  frequency: {
    group: 'Camera and retention',
    value: 'time',
    schema: duration,
    default: '1s',
    doc: 'Time between two shutters: what changed since the last is written to Postgres',
  },
  maxrate: {
    group: 'Camera and retention',
    value: 'rate',
    schema: rate,
    default: null,
    doc: 'Upper limit of shutters, as in Celery: `10/m`. A refused shutter is made up for by the next',
  },
  cleanupFrequency: {
    group: 'Camera and retention',
    value: 'time',
    schema: duration,
    default: '1h',
    doc: 'Time between two cleanups of expired rows',
  },
  expireSuccess: {
    group: 'Camera and retention',
    value: 'time',
    schema: durationOrNever,
    default: '1d',
    doc: 'When rows of tasks that succeeded expire',
  },
  expireError: {
    group: 'Camera and retention',
    value: 'time',
    schema: durationOrNever,
    default: '3d',
    doc: 'When rows of tasks in RETRY, FAILURE or REVOKED expire',
  },
  expirePending: {
    group: 'Camera and retention',
    value: 'time',
    schema: durationOrNever,
    default: '5d',
    doc: 'When rows of tasks in any other state expire',
  },
  retireWorkers: {
    group: 'Camera and retention',
    value: 'time',
    schema: durationOrNever,
    default: '1d',
    doc: 'When workers that are not ONLINE any more are forgotten; their history stays',
  },
  historyRetention: {
    group: 'Camera and retention',
    value: 'time',
    schema: durationOrNever,
    default: '7d',
    doc: 'How far back the state at any time can be asked for',
  },
  journalRetention: {
    group: 'Camera and retention',
    value: 'time',
    schema: durationOrNever,
    default: '7d',
    doc: 'How long the events themselves are kept',
  },

  resultSchema: {
    group: 'Results',
    value: 'name',
    schema: text,
    default: 'public',
    doc: 'Schema of the tables of Celery’s database backend and of django-celery-results; those in `--schema` are read besides',
  },
  resultExpires: {
    group: 'Results',
    value: 'time',
    schema: durationOrNever.transform((seconds) => seconds ?? Infinity),
    default: null,
    doc: 'When results in the tables of Celery’s database backend expire. Without it: after `1d` in those that celerycam made, never in others',
  },

  fold: {
    group: 'Memory',
    value: 'name',
    schema: z.enum(['strict', 'celery'], 'strict or celery'),
    default: 'strict',
    doc: 'How events become state: `strict`, what really happened; `celery`, as `celery.events.state` does',
  },
  maxTasks: {
    group: 'Memory',
    value: 'n',
    schema: count(1),
    default: '100000',
    doc: 'Tasks of a cluster in memory; finished ones are dropped first, oldest first',
  },
  maxTaskBytes: {
    group: 'Memory',
    value: 'size',
    schema: bytes,
    default: '512MB',
    doc: 'Long texts of its tasks (arguments, results, tracebacks) in memory; those tasks are dropped in the same order',
  },
  maxWorkers: { group: 'Memory', value: 'n', schema: count(1), default: '5000', doc: 'Workers of a cluster in memory' },
  bufferSize: {
    group: 'Memory',
    value: 'size',
    schema: bytes,
    default: '64MB',
    doc: 'What may wait in memory for a slow database before guest mode refuses events (and records a gap)',
  },
  batchSize: {
    group: 'Memory',
    value: 'n',
    schema: count(1, 100_000),
    default: '2000',
    doc: 'Messages recorded in one commit at most',
  },

  metricsMaxLabels: {
    group: 'Memory',
    value: 'n',
    schema: count(1, 10_000),
    default: '500',
    doc: 'Task names, hosts, … told apart in `/metrics`, and combinations of them; the rest counts as `other`',
  },

  beat: {
    group: 'Periodic tasks',
    value: 'yes',
    bare: true,
    schema: yes,
    default: 'no',
    doc: 'Send periodic tasks when they are due, as `celerycam beat` does: any number of processes may, one at a time does',
  },
  runRetention: {
    group: 'Periodic tasks',
    value: 'time',
    schema: durationOrNever,
    default: '30d',
    doc: 'How long it is kept what became of each due time; the latest of each task stays',
  },
  host: { group: 'HTTP', value: 'address', schema: text, default: '127.0.0.1', doc: 'Address to listen on' },
  port: {
    group: 'HTTP',
    value: 'n',
    schema: count(0, 65_535),
    default: '5555',
    doc: 'Port to listen on; 0: any free one',
  },
  insecure: {
    group: 'HTTP',
    value: 'yes',
    bare: true,
    schema: yes,
    default: 'no',
    doc: 'Listen beyond this machine although nobody has to log in',
  },
  basicAuth: {
    group: 'HTTP',
    value: '[role=]user:password',
    many: true,
    secret: true,
    schema: basicAuth,
    default: null,
    doc: 'Somebody who may log in, as `viewer` unless `operator=` stands before; may be repeated. Better not by flag: everybody on the machine sees those',
  },
  proxyUserHeader: {
    group: 'HTTP',
    value: 'header',
    schema: headerName,
    default: null,
    doc: 'Header in which a trusted proxy says who has logged in, such as `X-Forwarded-User`',
  },
  proxyRole: {
    group: 'HTTP',
    value: 'role',
    schema: role,
    default: 'viewer',
    doc: 'What those may do that a trusted proxy lets in: `viewer` or `operator`',
  },
  trustedProxy: {
    group: 'HTTP',
    value: 'network',
    many: true,
    schema: network,
    default: null,
    doc: 'Address or network (`10.0.0.0/8`) of proxies whose `X-Forwarded-*` and user headers are believed; may be repeated',
  },
  public: {
    group: 'HTTP',
    value: 'surfaces',
    schema: surfaces,
    default: 'health',
    doc: 'What needs no login, with commas between: of `ui`, `api`, `live`, `metrics`, `health`; or `none`',
  },
  operatorOnly: {
    group: 'HTTP',
    value: 'surfaces',
    schema: surfaces,
    default: 'none',
    doc: 'What viewers may not see, written as for `--public`',
  },
  corsOrigin: {
    group: 'HTTP',
    value: 'origin',
    many: true,
    schema: corsOrigin,
    default: null,
    doc: 'Site whose pages may read the API and the feed, such as `https://ops.example.com`; may be repeated',
  },
  urlPrefix: {
    group: 'HTTP',
    value: 'path',
    schema: urlPrefix,
    default: '/',
    doc: 'Path below which a proxy shows celerycam, such as `/celerycam`',
  },
  rateLimit: {
    group: 'HTTP',
    value: 'rate',
    schema: rate,
    default: '200/s',
    doc: 'Requests of one client address; it may save up those of ten seconds',
  },
  maxConnections: {
    group: 'HTTP',
    value: 'n',
    schema: count(1),
    default: '5000',
    doc: 'Connections at a time; half of them for one address that is no trusted proxy',
  },
  maxClients: {
    group: 'HTTP',
    value: 'n',
    schema: count(1),
    default: '2000',
    doc: 'Clients of the live feed at a time',
  },

  redact: {
    group: 'Redaction',
    value: 'file',
    schema: text,
    default: null,
    doc: 'YAML or JSON file of rules: what of args, kwargs, results and errors is masked or hashed before anything sees it',
  },
  redactKey: {
    group: 'Redaction',
    value: 'text',
    secret: true,
    schema: redactKey,
    default: null,
    doc: 'Key of the hashes that stand for hashed values',
  },

  logLevel: {
    group: 'Logging',
    value: 'level',
    schema: z.enum(['error', 'warn', 'info', 'debug', 'silent'], 'error, warn, info, debug or silent'),
    default: 'info',
    doc: '`error`, `warn`, `info`, `debug` or `silent`',
  },
  logFormat: {
    group: 'Logging',
    value: 'format',
    schema: z.enum(['auto', 'human', 'json'], 'auto, human or json'),
    default: 'auto',
    doc: '`human`, `json`, or `auto`: human on a terminal',
  },
} as const satisfies Record<string, OptionSpec>;

type Value<S> = S extends { many: true; schema: z.ZodType<infer T> }
  ? readonly T[]
  : S extends { default: string; schema: z.ZodType<infer T> }
    ? T
    : S extends { schema: z.ZodType<infer T> }
      ? T | null
      : never;

/** What the options are once read. */
export type OptionValues = { readonly [K in keyof typeof OPTIONS]: Value<(typeof OPTIONS)[K]> };

/** `maxTasks` → `max-tasks`, the name of flags and of keys in a configuration file. */
export function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `maxTasks` → `CELERYCAM_MAX_TASKS`. */
export function variableOf(name: string): string {
  return `CELERYCAM_${flagOf(name).replaceAll('-', '_').toUpperCase()}`;
}
