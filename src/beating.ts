/** The beat, and sending a periodic task by hand, put together. */
import type { Knex } from 'knex';
import { Beat } from './beat/beat.ts';
import { createSendNow, type SendNow } from './beat/send-now.ts';
import { openAny } from './broker/connection.ts';
import { sendTask } from './broker/send-task.ts';
import { TaskChannel } from './broker/task-channel.ts';
import { type TaskMessage, taskMessage } from './broker/task-message.ts';
import type { BrokerConfig, Config } from './config.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { Seconds } from './domain/event.ts';
import { MonitorError } from './errors.ts';
import { now } from './runtime.ts';
import { listen } from './store/listen.ts';
import { BEAT_TURN, createTimetable } from './store/timetable.ts';
import { createTurn } from './store/turn.ts';

/** Connections of the pool that a beat has for itself, and one for what it asks. */
export const BEAT_CONNECTIONS = 3;

/**
 * Of the one broker that is configured.
 * @param epoch names the database, and so the receipts' queue
 * @throws MonitorError CONFIG_INVALID where there are several
 */
export function createBeat(
  config: Pick<Config, 'brokers' | 'periodic'>,
  { db, epoch, diagnostics }: { readonly db: Knex; readonly epoch: string; readonly diagnostics: Diagnostics },
  clock: () => Seconds = now,
): Beat {
  const broker = onlyBroker(config);
  return new Beat({
    ...{ clock, diagnostics, messageOf: taskMessage, retention: config.periodic.retention },
    timetable: createTimetable(db),
    turn: createTurn(db, BEAT_TURN),
    connect: (signal) => openAny(broker.urls, broker, signal),
    open: (connection) => TaskChannel.open(connection, `celerycam.beat.${epoch}`),
    listen: (onChange, signal) => listen(db, 'celerycam_periodic', onChange, signal),
  });
}

/** To the one broker that is configured. @throws MonitorError CONFIG_INVALID, when it is called, where there are several */
export function createSender(config: Pick<Config, 'brokers'>, db: Knex): SendNow {
  const send = (message: TaskMessage, signal: AbortSignal): Promise<string | null> => {
    const broker = onlyBroker(config);
    return sendTask(broker.urls, broker, message, signal);
  };
  return createSendNow({ send, timetable: createTimetable(db), messageOf: taskMessage, clock: now });
}

function onlyBroker({ brokers }: Pick<Config, 'brokers'>): BrokerConfig {
  const [broker, ...others] = brokers;
  if (broker && others.length === 0) return broker;
  const message = `periodic tasks are sent to one broker, and ${brokers.length} are configured`;
  throw new MonitorError('CONFIG_INVALID', `${message}; run \`celerycam beat --broker …\` beside, with one of them`);
}
