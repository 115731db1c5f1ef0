/**
 * Every error that celerycam raises on purpose, in one table: what it means and whether trying again can help.
 * What a broker, worker or file sent is never an error here: it is a value (see `broker/decoder.ts`).
 */
const CODES = {
  CONFIG_INVALID: { retry: false, means: 'an option, environment variable or configuration file is wrong' },
  FILE_UNREADABLE: { retry: false, means: 'a file that was named could not be read' },
  BROKER_UNREACHABLE: { retry: true, means: 'no broker answered at the given URLs' },
  BROKER_REFUSED: { retry: true, means: 'the broker refused the login, the virtual host or an operation' },
  QUEUE_MISMATCH: { retry: false, means: 'the queue or exchange exists already with other arguments' },
  BUFFER_FULL: { retry: true, means: 'messages came faster than they can be recorded, and larger than can wait' },
  DATABASE_UNREACHABLE: { retry: true, means: 'the database could not be reached' },
  DATABASE_OUTDATED: { retry: false, means: 'the database schema is newer or older than this program' },
  DATABASE_UNFIT: { retry: false, means: 'the database is read-only, or does not grant what recording needs' },
  EMBEDDED_POSTGRES: { retry: false, means: 'the embedded Postgres could not be started' },
  TASK_UNKNOWN: { retry: false, means: 'nothing is recorded of the task that was asked for' },
  QUESTION_REFUSED: { retry: false, means: 'the API did not answer a question as it was put; the message says why' },
  API_BUSY: { retry: true, means: 'more is asked of the API than the database can answer' },
  API_UNREACHABLE: { retry: true, means: 'celerycam did not answer, or not as it should' },
  PROTOCOL_UNKNOWN: { retry: false, means: 'celerycam’s live feed speaks another protocol than this client' },
  RESULT_UNREADABLE: { retry: false, means: 'what is stored cannot be read as the result that it should be' },
  VALUE_REFUSED: { retry: false, means: 'a value cannot be stored as the result of a task' },
  LISTEN_FAILED: { retry: false, means: 'the HTTP server could not listen on its address' },
} as const;

export type ErrorCode = keyof typeof CODES;

/** The one error class. `message` is for the person who reads it and never holds a password. */
export class MonitorError extends Error {
  override readonly name = 'MonitorError';
  readonly code: ErrorCode;
  /** True where the same call may succeed later without anybody changing anything. */
  readonly retry: boolean;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retry = CODES[code].retry;
  }

  static is(error: unknown, code: ErrorCode): error is MonitorError {
    return error instanceof MonitorError && error.code === code;
  }
}

/** The message of anything that was thrown, without a stack; of an AggregateError its first cause. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error) return error.message || ('code' in error ? String(error.code) : error.name);
  return String(error);
}

/** A URL as it may be logged: the password, and any query parameter that looks like one, replaced by `***`. */
export function redactUrl(url: string): string {
  return url
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^:@/?#\s]*):[^\s;]*@/gi, '$1:***@')
    .replace(/([?&][^=&]*(?:password|passwd|secret|token|sslkey)[^=&]*=)[^&#]*/gi, '$1***');
}
