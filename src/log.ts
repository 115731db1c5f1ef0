/** The log: for people on a terminal, JSON lines elsewhere. Passwords never get into it. */
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from './config.ts';
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

/** URLs without passwords, errors as their messages. */
function safe(fields: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) out[name] = redactUrl(reasonOf(value));
    else out[name] = typeof value === 'string' ? redactUrl(value) : value;
  }
  return out;
}
