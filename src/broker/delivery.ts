/** One message as it left the broker, and how it is acknowledged. */
import type { Seconds } from '../domain/event.ts';

export interface Delivery {
  readonly cluster: string;
  readonly routing_key: string;
  readonly content_type: string | undefined;
  readonly content_encoding: string | undefined;
  /** The `headers` property: `hostname`, and `compression` where the body is compressed. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** The broker delivered this message before. */
  readonly redelivered: boolean;
  readonly local_received: Seconds;
  /** Where to acknowledge; null where the broker wants none (guest mode, simulator, files). */
  readonly receipt: Receipt | null;
}

export interface Receipt {
  readonly tag: number;
  /** Settles `tag` and every earlier one of the same channel. Does nothing when that channel is gone. */
  settle(tag: number): void;
}

/** Acknowledges a batch: one frame per channel that it came from. Only for what is recorded. */
export function acknowledge(batch: readonly Delivery[]): void {
  const last = new Map<Receipt['settle'], number>();
  for (const { receipt } of batch) if (receipt) last.set(receipt.settle, receipt.tag);
  for (const [settle, tag] of last) settle(tag);
}
