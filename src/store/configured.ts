/** The database that was configured: at a URL, or the embedded one in its data directory. */
import { MonitorError } from '../errors.ts';
import type { AsyncStack } from '../runtime.ts';
import { type Database, openDatabase } from './database.ts';

export interface DatabaseChoice {
  /** Null: the embedded one. */
  readonly url: string | null;
  readonly dataDir: string;
  readonly schema: string;
}

/** Opens it; the stack closes it. @throws MonitorError */
export async function openConfigured({ url, schema }: DatabaseChoice, stack: AsyncStack): Promise<Database> {
  if (url === null) throw new MonitorError('EMBEDDED_POSTGRES', 'the embedded Postgres is not there yet');
  return stack.use(await openDatabase({ url, schema }));
}
