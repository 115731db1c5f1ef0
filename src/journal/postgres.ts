/** The journal in Postgres. */
import type { Knex } from 'knex';
import type { Diagnostics } from '../diagnostics.ts';
import type { Seconds } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import { reasonOf } from '../errors.ts';
import { databaseError } from '../postgres.ts';
import { isoTime, storableText } from '../postgres-text.ts';
import { persist } from '../runtime.ts';
import { type Batch, type Head, noteRedeliveries, type Redeliveries, record } from './append.ts';
import type { Journal } from './journal.ts';
import { readPages, startOfLatest } from './pages.ts';
import { maintainPartitions } from './partitions.ts';
import { timestampOf } from './rows.ts';

export interface JournalOptions {
  /** How long events and dead letters are kept, in whole days of UTC; null: for ever. */
  readonly retention: Seconds | null;
  readonly diagnostics: Diagnostics;
}

export function createJournal(db: Knex, { retention, diagnostics }: JournalOptions): Journal {
  const redeliveries: Redeliveries = { ours: undefined, others: null };
  const totals = { deadLetters: 0, duplicates: 0 };
  const lookAtHead = async (): Promise<Head> => {
    const head = await headOf(db);
    noteRedeliveries(redeliveries, head);
    noteTotals(totals, head.dead_letters, head.duplicates);
    return head;
  };
  const failed = (error: unknown, retryIn: Seconds): void => {
    diagnostics.emit('journal:failed', { reason: reasonOf(error), retryIn });
  };
  return {
    async append(events, deadLetters, signal) {
      const begun = performance.now();
      const batch: Batch = { events, deadLetters, careful: false, bare: false, uncertain: null };
      const { done, letters, head } = await persist(signal, () => record(db, batch, redeliveries, signal), failed);
      noteTotals(totals, head.dead_letters + letters.length, head.duplicates + done.duplicates);
      diagnostics.emit('journal:appended', {
        events: done.events.length,
        deadLetters: letters.length,
        duplicates: done.duplicates,
        position: done.last,
        timestamp: timestampOf(done.events.at(-1)?.event),
        seconds: (performance.now() - begun) / 1000,
      });
      return done;
    },

    read: (range) => readPages(db, range),

    latest: (range) => startOfLatest(db, range),

    head: async () => (await lookAtHead()).position,

    epoch: async () => (await lookAtHead()).epoch,

    async recordGap(gap, signal) {
      await persist(signal, async () => db('gaps').insert(gapRow(gap)).onConflict().ignore(), failed);
      diagnostics.emit('gap', gap);
    },

    totals,

    async gapTotals() {
      try {
        const rows = await db('gaps').select('cluster', 'cause').count('* as gaps').groupBy('cluster', 'cause');
        return rows.map(({ cluster, cause, gaps }) => ({
          cluster: `${cluster}`,
          cause: `${cause}`,
          gaps: Number(gaps),
        }));
      } catch (error) {
        throw databaseError(error);
      }
    },

    maintain: () => maintainPartitions(db, retention),
  };
}

async function headOf(db: Knex): Promise<Head> {
  try {
    return await db('journal_head').first('position', 'epoch', 'redelivered_at', 'dead_letters', 'duplicates');
  } catch (error) {
    throw databaseError(error);
  }
}

function gapRow(gap: Gap): Record<string, unknown> {
  return {
    ...gap,
    cluster: storableText(gap.cluster),
    started_at: isoTime(gap.started_at),
    ended_at: isoTime(gap.ended_at),
    detail: storableText(gap.detail),
  };
}

/** They never fall: what was read before a commit may be told after it. */
function noteTotals(
  totals: { deadLetters: number; duplicates: number },
  deadLetters: number,
  duplicates: number,
): void {
  totals.deadLetters = Math.max(totals.deadLetters, deadLetters);
  totals.duplicates = Math.max(totals.duplicates, duplicates);
}
