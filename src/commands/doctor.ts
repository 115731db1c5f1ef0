/** `celerycam doctor`: looks at brokers, workers and the database, and says in plain words what is not as it should be. */
import { type Connection, openConnection, textOf } from '../broker/connection.ts';
import { inspect } from '../broker/control.ts';
import { decode } from '../broker/decoder.ts';
import { Inbox } from '../broker/inbox.ts';
import { Receiver } from '../broker/receiver.ts';
import type { BrokerConfig, Config } from '../config.ts';
import { createDiagnostics } from '../diagnostics.ts';
import type { Json, ReceivedEvent, Seconds } from '../domain/event.ts';
import {
  examineBroker,
  examineDatabase,
  type Finding,
  type SeenBroker,
  type SeenDatabase,
  type SeenWorker,
} from '../domain/findings.ts';
import { examinePeriodic } from '../domain/periodic-findings.ts';
import { MonitorError, redactUrl } from '../errors.ts';
import { sleep } from '../runtime.ts';

/** Workers send a heartbeat every two seconds: this is time for two of them. */
const LISTEN: Seconds = 5;
const REPLY_TIMEOUT: Seconds = 2;

/** True when there is no problem. */
export async function doctor(
  config: Config,
  lookAtDatabase: () => Promise<SeenDatabase>,
  signal: AbortSignal,
): Promise<boolean> {
  const findings: Finding[] = [];
  const report = (title: string, found: readonly Finding[]): void => {
    findings.push(...found);
    process.stdout.write(`${title}\n${found.map(format).join('')}\n`);
  };
  for (const broker of config.brokers) {
    const title = `broker of cluster ${broker.cluster}: ${broker.urls.map(redactUrl).join(' ; ')}`;
    report(
      config.brokersConfigured ? title : `${title} (Celery’s default: none is configured)`,
      examineBroker(await look(broker, signal)),
    );
  }
  const { url, dataDir } = config.database;
  const seen = await lookAtDatabase();
  report(`database: ${url ? redactUrl(url) : `embedded, in ${dataDir}`}`, examineDatabase(seen));
  const periodic = seen.periodic ? examinePeriodic(seen.periodic) : [];
  if (periodic.length > 0) report('periodic tasks', periodic);
  return findings.every(({ level }) => level !== 'problem');
}

const SIGNS = { ok: '✓', note: '·', problem: '✗' } as const;

function format({ level, text, remedy = [] }: Finding): string {
  return [`  ${SIGNS[level]} ${text}`, ...remedy.map((line) => `      → ${line}`), ''].join('\n');
}

const NOTHING = {
  version: null,
  error: null,
  workers: new Map<string, SeenWorker>(),
  skews: new Map<string, Seconds>(),
  taskEvents: new Set<string>(),
  sentEvents: false,
  atWork: new Set<string>(),
  listened: LISTEN,
  queue: null,
} as const;

async function look(broker: BrokerConfig, signal: AbortSignal): Promise<SeenBroker> {
  let error = '';
  for (const url of broker.urls) {
    try {
      await using connection = await openConnection(url, broker, signal);
      const [queue, workers, heard] = await Promise.all([
        lookAtQueue(connection, broker.queue),
        ask(connection, broker.controlExchange).catch(() => null),
        listen({ ...broker, urls: [url] }, signal),
      ]);
      return { ...NOTHING, ...heard, version: connection.version, queue, workers };
    } catch (cause) {
      signal.throwIfAborted();
      error = textOf(cause);
    }
  }
  return { ...NOTHING, error };
}

async function lookAtQueue(connection: Connection, name: string | null): Promise<SeenBroker['queue']> {
  if (name === null) return null;
  const channel = await connection.channel();
  try {
    const { messageCount, consumerCount } = await channel.checkQueue(name);
    await channel.close();
    return { name, messages: messageCount, consumers: consumerCount };
  } catch (error) {
    if (!textOf(error).includes('NOT_FOUND')) throw error;
    return { name, messages: null, consumers: null };
  }
}

/** The workers that answer, and what their configuration says of events. Throws where we may not ask: their events still tell. */
async function ask(connection: Connection, controlExchange: string): Promise<Map<string, SeenWorker>> {
  // Only what was set: asked for the defaults too, Celery 5.2 fails and does not answer at all. Both settings are off by default.
  const replies = await inspect(connection, controlExchange, { method: 'conf' }, REPLY_TIMEOUT);
  const isOn = (conf: Json, name: string): boolean =>
    Object.entries(conf ?? {}).some(([key, value]) => key === name && value === true);
  return new Map(
    Array.from(replies, ([hostname, conf]) => [
      hostname,
      { sendsTaskEvents: isOn(conf, 'worker_send_task_events'), sendsSentEvents: isOn(conf, 'task_send_sent_event') },
    ]),
  );
}

type Heard = Pick<SeenBroker, 'skews' | 'taskEvents' | 'sentEvents' | 'atWork'>;

/** What comes by while listening as a guest; starting to listen wakes the workers. */
async function listen(broker: BrokerConfig, signal: AbortSignal): Promise<Heard> {
  const inbox = new Inbox({ batchSize: 1000, maxBytes: 64 << 20 });
  const log = { warn: () => {} };
  const parts = { inbox, diagnostics: createDiagnostics(), onGap: () => {}, log };
  await using receiver = new Receiver({ ...broker, queue: null, routingKeys: ['#'] }, parts);
  const end = new AbortController();
  const until = AbortSignal.any([signal, end.signal]);
  const running = receiver.run(until);
  const heard = hear(inbox, until);
  // Whatever ends first: a receiver that cannot go on throws.
  await Promise.race([running, sleep(LISTEN, until).catch(() => {})]);
  const { error } = receiver.status;
  end.abort();
  await running;
  if (error !== null) throw new MonitorError('BROKER_REFUSED', error);
  return heard;
}

async function hear(inbox: Inbox, signal: AbortSignal): Promise<Heard> {
  const skews = new Map<string, Seconds>();
  const taskEvents = new Set<string>();
  const processedBefore = new Map<string, number>();
  const atWork = new Set<string>();
  let sentEvents = false;
  const hearOne = ({ event, local_received }: ReceivedEvent): void => {
    const { hostname, timestamp, type, processed } = event;
    if (typeof hostname !== 'string') return;
    if (type === 'task-sent') sentEvents = true;
    else if (type.startsWith('task-')) taskEvents.add(hostname);
    if (typeof processed === 'number') {
      if (processed > (processedBefore.get(hostname) ?? processed)) atWork.add(hostname);
      processedBefore.set(hostname, processed);
    }
    if (typeof timestamp !== 'number') return;
    // On its way an event only gets older, so the least delay is nearest to the truth.
    const skew = timestamp - local_received;
    skews.set(hostname, Math.max(skew, skews.get(hostname) ?? Number.NEGATIVE_INFINITY));
  };
  for await (const batch of inbox.batches(signal)) decode(batch).events.forEach(hearOne);
  return { skews, taskEvents, sentEvents, atWork };
}
