/** The messages of the live feed, `/live`: JSON text frames from the server. A client has nothing to say yet. */
import { z } from 'zod';
import { taskRecord, workerRecord } from './records.ts';

const position = z.number().int();

/** First message: what `changes` come on top of. */
export const hello = z.strictObject({
  type: z.literal('hello'),
  version: z.string(),
  /** The journal that positions belong to. Another epoch: forget what you know. */
  epoch: z.string(),
  position,
  clusters: z.array(z.string()),
  simulated: z.boolean(),
});

/** The records that the events after `from` up to and with `to` changed, each as it is at `to`. Never before they are recorded. */
export const changes = z.strictObject({
  type: z.literal('changes'),
  from: position,
  to: position,
  tasks: z.array(taskRecord),
  workers: z.array(workerRecord),
});

/** What changed after `from` up to and with `to` was not sent, because the client was too slow or it was too much: fetch anew. */
export const gap = z.strictObject({ type: z.literal('gap'), from: position, to: position });

export const feedMessage = z.discriminatedUnion('type', [hello, changes, gap]);

export type Hello = z.output<typeof hello>;
export type Changes = z.output<typeof changes>;
export type FeedGap = z.output<typeof gap>;
export type FeedMessage = z.output<typeof feedMessage>;
