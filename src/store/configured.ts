/** The database that was configured: at a URL, or the embedded one in its data directory. */
import type { AsyncStack } from '../runtime.ts';
import { type Database, openDatabase } from './database.ts';
import { openEmbedded } from './embedded.ts';

export interface DatabaseChoice {
  /** Null: the embedded one. */
  readonly url: string | null;
  readonly dataDir: string;
  readonly schema: string;
  /** See `DatabaseOptions`. */
  readonly poolSize?: number;
}

/** Opens it; the stack closes it. @throws MonitorError */
export async function openConfigured(choice: DatabaseChoice, stack: AsyncStack): Promise<Database> {
  const { url, dataDir, ...options } = choice;
  const server = url ?? stack.use(await openEmbedded(dataDir)).url;
  return stack.use(await openDatabase({ url: server, ...options }));
}
