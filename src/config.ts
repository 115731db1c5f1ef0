/** Reads the options and hands them on as slices, one for each part. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { BasicLogin, Network, Role, Surface } from './access-values.ts';
import type { FoldName, Limits } from './domain/state.ts';
import { MonitorError, reasonOf, redactUrl } from './errors.ts';
import { type BrokerUrl, brokerUrl } from './option-values.ts';
import { flagOf, OPTIONS, type OptionGroup, type OptionSpec, type OptionValues, variableOf } from './options.ts';
import { parseRedaction, type RedactionConfig } from './redaction-rules.ts';

/** What may be given by flag: the text after it, or all of them where a flag may be repeated. */
export type Flags = Readonly<Record<string, unknown>>;

/** How one broker is joined. Times are seconds. */
export interface BrokerConfig {
  readonly cluster: string;
  /** At least one; tried in turn. With passwords: not for logs. */
  readonly urls: readonly string[];
  readonly exchange: string;
  readonly queuePrefix: string;
  /** Name of the durable queue; null: guest mode. */
  readonly queue: string | null;
  readonly queueType: 'quorum' | 'classic';
  readonly routingKeys: readonly string[];
  readonly prefetch: number;
  readonly controlExchange: string;
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly heartbeat: number;
  readonly queueTtl: number;
  readonly queueExpires: number;
}

/** What a simulated cluster does. */
export interface SimulationConfig {
  /** Tasks sent per second. A task that succeeds at once makes four events. */
  readonly rate: number;
  readonly workers: number;
  /** Task names, the most frequent first. */
  readonly tasks: readonly string[];
  /** Shares of the tasks, 0 to 1. */
  readonly failures: number;
  readonly retries: number;
  /** Task events in lists under `task.multi`, as normal workers send them; else singly. */
  readonly lists: boolean;
  readonly seed: number;
  /** Ends after so many tasks, with all workers offline; null: never. */
  readonly count: number | null;
}

/** Where it listens, to whom it answers, and how much of what. */
export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** Path before every other, without `/` at its end; '' where there is none. */
  readonly urlPrefix: string;
  readonly insecure: boolean;
  readonly basicAuth: readonly BasicLogin[];
  /** In lower case; null: no proxy logs people in. */
  readonly proxyUserHeader: string | null;
  readonly proxyRole: Role;
  readonly trustedProxies: readonly Network[];
  readonly public: readonly Surface[];
  readonly operatorOnly: readonly Surface[];
  readonly corsOrigins: readonly string[];
  /** Requests per second of one address. */
  readonly rateLimit: number;
  readonly maxConnections: number;
  readonly maxClients: number;
}

/** Everything a run needs to know, checked. Times are seconds, sizes bytes; null means never or none. */
export interface Config {
  /** At least one: Celery's own default where none was configured. */
  readonly brokers: readonly BrokerConfig[];
  /** Somebody named the brokers. Where nobody did and nothing answers, a cluster is simulated. */
  readonly brokersConfigured: boolean;
  /** Simulate this cluster, whatever brokers there are (`celerycam demo`). */
  readonly simulation: SimulationConfig | null;
  readonly inbox: { readonly batchSize: number; readonly maxBytes: number };
  readonly database: { readonly url: string | null; readonly dataDir: string; readonly schema: string };
  readonly journal: { readonly retention: number | null };
  readonly state: Required<Limits> & { readonly fold: FoldName; readonly maxLabels: number };
  readonly camera: {
    readonly frequency: number;
    /** Shutters per second at most. */
    readonly maxrate: number | null;
    readonly cleanupFrequency: number;
    readonly expireSuccess: number | null;
    readonly expireError: number | null;
    readonly expirePending: number | null;
    readonly retireWorkers: number | null;
    readonly historyRetention: number | null;
    readonly results: { readonly schemas: readonly string[]; readonly expires: number | null };
  };
  readonly periodic: {
    /** Send periodic tasks, too. */
    readonly beat: boolean;
    /** How long runs are kept. */
    readonly retention: number | null;
  };
  readonly http: HttpConfig;
  readonly redaction: RedactionConfig;
  readonly log: { readonly level: OptionValues['logLevel']; readonly format: OptionValues['logFormat'] };
}

const DEFAULT_BROKER = 'amqp://guest:guest@localhost:5672//';

/**
 * Reads the options: flag, else environment, else file, else default. Only those of `groups`; the others have their
 * defaults, so that a command never fails for an option that it does not use.
 * @throws MonitorError CONFIG_INVALID with a line for each option that is wrong; FILE_UNREADABLE.
 */
export function loadConfig(flags: Flags, env: NodeJS.ProcessEnv, groups?: readonly OptionGroup[]): Config {
  const file = readConfigFile(flags['config'], env);
  const wrong: string[] = [...unknownVariables(env)];
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries<OptionSpec>(OPTIONS)) {
    const used = groups === undefined || groups.includes(spec.group);
    const given = (used && find(name, spec, flags, env, file)) || { where: 'default', raw: defaultOf(name, spec, env) };
    try {
      values[name] = parseValue(spec, given.raw);
    } catch (error) {
      wrong.push(
        `${given.where}: got ${spec.secret ? '"***"' : shown(spec.many ? single(given.raw) : given.raw)}, expected ${reasonOf(error)}`,
      );
    }
  }
  if (wrong.length > 0) throw new MonitorError('CONFIG_INVALID', wrong.join('\n'));
  return assemble(values as OptionValues);
}

/** Where an option was given, and the raw value. Undefined: nowhere. */
function find(name: string, spec: OptionSpec, flags: Flags, env: NodeJS.ProcessEnv, file: ConfigFile) {
  if (flags[name] !== undefined) return { where: `--${flagOf(name)}`, raw: flags[name] };
  for (const variable of [variableOf(name), ...(spec.env ?? [])]) {
    // Compose files pass an empty string for what is not set.
    if (env[variable] && !isServiceLink(variable, env[variable])) return { where: variable, raw: env[variable] };
  }
  const key = flagOf(name);
  return key in file.values ? { where: `${key} in ${file.path}`, raw: file.values[key] } : undefined;
}

function defaultOf(name: string, spec: OptionSpec, env: NodeJS.ProcessEnv): string | null {
  if (name === 'dataDir' && env['XDG_DATA_HOME']) return join(env['XDG_DATA_HOME'], 'celerycam');
  // Postgres does not run as root, and the user that it runs as instead may not enter root's home.
  if (name === 'dataDir' && process.getuid?.() === 0) return '/var/lib/celerycam';
  return spec.default;
}

/** Throws an Error whose message says what was expected. */
function parseValue(spec: OptionSpec, raw: unknown): unknown {
  const parse = (value: unknown): unknown => {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') throw new Error('text');
    const result = spec.schema.safeParse(String(value).trim());
    if (!result.success) throw new Error(result.error.issues[0]?.message);
    return result.data;
  };
  if (!spec.many) return raw === null ? null : parse(raw);
  if (raw === null) return [];
  if (typeof raw === 'string') return raw.split(/\s+/).filter(Boolean).map(parse);
  if (Array.isArray(raw)) return raw.map(parse);
  if (typeof raw !== 'object') throw new Error('text or a list');
  return Object.entries(raw).map(([key, value]) => parse(`${key}=${value}`));
}

/** What a repeatable flag was given, as it was given. */
function single(raw: unknown): unknown {
  return Array.isArray(raw) && raw.length === 1 ? raw[0] : raw;
}

/** A value as an error may show it: short and without passwords. */
function shown(raw: unknown): string {
  const plain = typeof raw === 'string' ? raw : (JSON.stringify(raw) ?? String(raw));
  const safe = plain.replace(/[^\s";]+/g, redactUrl);
  return `"${safe.length > 120 ? `${safe.slice(0, 120)}…` : safe}"`;
}

/** Kubernetes gives every pod variables like CELERYCAM_PORT=tcp://… for a service that is called `celerycam`. */
function isServiceLink(variable: string, value: string): boolean {
  return /_SERVICE_(HOST|PORT)|_PORT_\d+_/.test(variable) || (variable === 'CELERYCAM_PORT' && /^\w+:\/\//.test(value));
}

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = new Set([...Object.keys(OPTIONS).map(variableOf), 'CELERYCAM_CONFIG']);
  return Object.entries(env)
    .filter(([name, value]) => name.startsWith('CELERYCAM_') && !known.has(name) && !isServiceLink(name, value ?? ''))
    .map(([name]) => `${name}: there is no such option; \`celerycam run --help\` lists them`);
}

interface ConfigFile {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The file named by `--config` or CELERYCAM_CONFIG: a YAML or JSON mapping of flag names to values. */
function readConfigFile(flag: unknown, env: NodeJS.ProcessEnv): ConfigFile {
  const path = typeof flag === 'string' ? flag : env['CELERYCAM_CONFIG'];
  if (!path) return { path: '', values: {} };
  let values: unknown;
  const content = readFile(path, 'configuration file');
  try {
    values = parseYaml(content.toString()) ?? {};
  } catch (cause) {
    throw new MonitorError('CONFIG_INVALID', `${path} is neither YAML nor JSON: ${firstLine(reasonOf(cause))}`, {
      cause,
    });
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new MonitorError('CONFIG_INVALID', `${path}: expected a mapping of option names to values`);
  }
  const known = new Set(Object.keys(OPTIONS).map(flagOf));
  const unknown = Object.keys(values).filter((key) => !known.has(key));
  if (unknown.length > 0) {
    const lines = unknown.map((key) => `${key} in ${path}: there is no such option; names are those of the flags`);
    throw new MonitorError('CONFIG_INVALID', lines.join('\n'));
  }
  return { path, values: values as Record<string, unknown> };
}

function readFile(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new MonitorError('FILE_UNREADABLE', `the ${what} ${path} could not be read: ${reasonOf(cause)}`, { cause });
  }
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}

/** Options as people give them → slices as the parts want them. */
function assemble(values: OptionValues): Config {
  const clusters: readonly BrokerUrl[] = values.broker.length > 0 ? values.broker : [brokerUrl.parse(DEFAULT_BROKER)];
  const names = clusters.map(({ cluster }) => cluster);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    const hint = 'name each: --broker eu=amqp://… --broker us=amqp://…';
    throw new MonitorError('CONFIG_INVALID', `--broker: two brokers are called "${twice}"; ${hint}`);
  }
  const tls = {
    ...(values.tlsCa && { ca: readFile(values.tlsCa, 'file of --tls-ca') }),
    ...(values.tlsCert && { cert: readFile(values.tlsCert, 'file of --tls-cert') }),
    ...(values.tlsKey && { key: readFile(values.tlsKey, 'file of --tls-key') }),
  };
  if ((values.tlsCert === null) !== (values.tlsKey === null)) {
    throw new MonitorError('CONFIG_INVALID', '--tls-cert and --tls-key: one was given, expected both or none');
  }
  if (values.proxyUserHeader !== null && values.trustedProxy.length === 0) {
    const hint = 'name the proxies: --trusted-proxy 10.0.0.0/8';
    throw new MonitorError('CONFIG_INVALID', `--proxy-user-header: anybody can send a header; ${hint}`);
  }
  return {
    brokers: clusters.map(({ cluster, urls }) => ({
      cluster,
      urls,
      exchange: values.exchange,
      queuePrefix: values.queuePrefix,
      queue: values.queue,
      queueType: values.queueType,
      routingKeys: values.routingKey,
      prefetch: values.prefetch,
      controlExchange: values.controlExchange,
      tls,
      heartbeat: values.heartbeat,
      queueTtl: values.queueTtl,
      queueExpires: values.queueExpires,
    })),
    brokersConfigured: values.broker.length > 0,
    simulation: null,
    inbox: { batchSize: values.batchSize, maxBytes: values.bufferSize },
    database: { url: values.database, dataDir: values.dataDir, schema: values.schema },
    journal: { retention: values.journalRetention },
    state: {
      fold: values.fold,
      maxTasks: values.maxTasks,
      maxTaskBytes: values.maxTaskBytes,
      maxWorkers: values.maxWorkers,
      maxLabels: values.metricsMaxLabels,
    },
    camera: {
      frequency: values.frequency,
      maxrate: values.maxrate,
      cleanupFrequency: values.cleanupFrequency,
      expireSuccess: values.expireSuccess,
      expireError: values.expireError,
      expirePending: values.expirePending,
      retireWorkers: values.retireWorkers,
      historyRetention: values.historyRetention,
      results: { schemas: [values.schema, values.resultSchema], expires: values.resultExpires },
    },
    periodic: { beat: values.beat, retention: values.runRetention },
    http: {
      host: values.host,
      port: values.port,
      urlPrefix: values.urlPrefix,
      insecure: values.insecure,
      basicAuth: values.basicAuth,
      proxyUserHeader: values.proxyUserHeader,
      proxyRole: values.proxyRole,
      trustedProxies: values.trustedProxy,
      public: values.public,
      operatorOnly: values.operatorOnly,
      corsOrigins: values.corsOrigin,
      rateLimit: values.rateLimit,
      maxConnections: values.maxConnections,
      maxClients: values.maxClients,
    },
    redaction: redactionOf(values),
    log: { level: values.logLevel, format: values.logFormat },
  };
}

function redactionOf({ redact: path, redactKey: key }: OptionValues): RedactionConfig {
  if (path === null) return { rules: [], key };
  return { rules: parseRedaction(readFile(path, 'file of --redact').toString(), path, key), key };
}
