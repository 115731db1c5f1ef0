/** The log: for people on a terminal, JSON lines elsewhere. Passwords never get into it. */
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from './config.ts';
import type { Diagnostics } from './diagnostics.ts';
import { reasonOf, redactUrl } from './errors.ts';

/** What the parts need of a logger. Fields first, then one short sentence. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Writes to stderr, so that stdout is free for what a command prints. */
export function createLog(options: Config['log']): Logger {
  const { fd, isTTY } = process.stderr;
  const human = options.format === 'human' || (options.format === 'auto' && isTTY);
  const settings = {
    level: options.level,
    base: null,
    formatters: { level: (level: string) => ({ level }), log: safe },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (!human) return pino(settings, pino.destination({ fd, sync: true }));
  return pino(settings, pretty({ destination: fd, sync: true, colorize: isTTY, translateTime: 'SYS:HH:MM:ss' }));
}

/** Writes what the parts tell about themselves. */
export function logDiagnostics(diagnostics: Diagnostics, log: Logger): void {
  diagnostics.on('receiver:ready', (at) => log.info(at, 'consuming'));
  diagnostics.on('receiver:lost', (at) => log.warn(at, 'not consuming'));
  diagnostics.on('receiver:blocked', (at) =>
    at.reason === null
      ? log.info(at, 'the broker accepts messages again')
      : log.warn(at, 'the broker is blocking publishers'),
  );
  diagnostics.on('journal:failed', (at) => log.warn(at, 'cannot record'));
  diagnostics.on('journal:appended', (batch) => {
    if (batch.deadLetters > 0) log.warn(batch, 'some messages could not be decoded: see dead_letters');
    else log.debug(batch, 'recorded');
  });
  diagnostics.on('gap', (gap) => log.warn(gap, 'events may be missing'));
  diagnostics.on('camera:shutter', (picture) => log.debug(picture, 'snapshot'));
  diagnostics.on('camera:failed', (at) => log.warn(at, 'the snapshot failed and will be made up for'));
  diagnostics.on('camera:cleanup', (removed) => log.info(removed, 'expired records removed'));
  diagnostics.on('beat:leading', (at) => log.info(at, 'leading: periodic tasks are sent from here'));
  diagnostics.on('beat:stepped-down', () => log.info({}, 'not leading any more'));
  diagnostics.on('beat:failed', (at) => log.warn(at, 'the beat failed'));
  let told: ReadonlyMap<number, string> = new Map();
  diagnostics.on('beat:read', ({ tasks, unfit }) => {
    log.debug({ tasks }, 'periodic tasks read');
    for (const [periodic_task, reason] of unfit)
      if (told.get(periodic_task) !== reason) log.warn({ periodic_task, reason }, 'a periodic task is never sent');
    told = unfit;
  });
  diagnostics.on('beat:ran', ({ runs }) => {
    for (const run of runs)
      if (run.outcome === 'sent') log.debug(run, 'periodic task sent');
      else log.warn(run, 'periodic task not sent');
  });
}

/** URLs without passwords, errors as their messages. */
function safe(fields: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) out[name] = redactUrl(reasonOf(value));
    else out[name] = typeof value === 'string' ? redactUrl(value) : value;
  }
  return out;
}
