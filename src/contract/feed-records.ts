/**
 * Records as the feed carries them: those of `records.ts` without the fields that are null, which are most of them and
 * would be half of what is sent. Reading one by its schema gives the whole record again.
 */
import { z } from 'zod';
import { GAP_CAUSES } from '../domain/gap.ts';
import { json, runRecord, type TaskRecord, taskRecord, type WorkerRecord, workerRecord } from './records.ts';

/** The same object, whose fields that may be null may be absent too, and are null then. */
function sparse<Shape extends z.ZodRawShape>(record: z.ZodObject<Shape>): typeof record {
  const fields = Object.entries(record.shape as unknown as Record<string, z.ZodType>).map(([name, field]) => {
    return [name, field.safeParse(null).success ? field.default(null) : field];
  });
  return z.strictObject(Object.fromEntries(fields)) as unknown as typeof record;
}

export const feedTaskRecord = sparse(taskRecord.extend({ runs: z.array(sparse(runRecord)).nullable() }));
export const feedWorkerRecord = sparse(workerRecord);

/** An event as it was recorded. */
export const eventRecord = z.strictObject({
  position: z.number().int(),
  cluster: z.string(),
  /** When celerycam received it, epoch seconds. */
  local_received: z.number(),
  /** What the sender wrote: `type`, and by type `uuid`, `hostname`, `timestamp`, … */
  event: z.looseObject({ type: z.string() }).catchall(json),
});

/** An interval in which celerycam may have missed events; see the domain's `Gap`. */
export const gapRecord = z.strictObject({
  cluster: z.string(),
  cause: z.enum(GAP_CAUSES),
  started_at: z.number(),
  ended_at: z.number(),
  /** How many events are believed missing; null where nobody can know. */
  estimate: z.number().nullable(),
  detail: z.string(),
});

export type EventRecord = z.output<typeof eventRecord>;
type RunRecord = z.output<typeof runRecord>;

/** A record as the feed carries it, as JSON. Put together field by field: a copy without nulls would cost more than all else. */
export function feedText(record: TaskRecord | WorkerRecord | RunRecord): string {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(record)) {
    if (value === null) continue;
    fields.push(`"${name}":${name === 'runs' ? `[${value.map(feedText)}]` : JSON.stringify(value)}`);
  }
  return `{${fields.join()}}`;
}
