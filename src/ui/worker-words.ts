/** What a worker's status means, and what came between two of them, in a few words. Pure. */
import type { WorkerChange } from '../contract/history.ts';

type Then = Pick<WorkerChange, 'status' | 'reason' | 'pid'>;

/** Why a worker is what it is. */
export function reasonIn(reason: Then['reason']): string {
  return reason === null ? '' : reason === 'goodbye' ? 'said goodbye' : 'lost: nothing is heard of it';
}

/** @param before null: it was not known @param after null: it was forgotten */
export function happened(before: Then | null, after: Then | null): string {
  if (after === null) return 'forgotten: not heard of for a long time';
  if (after.status === 'OFFLINE') return reasonIn(after.reason);
  if (before === null) return 'new';
  if (before.pid !== after.pid) return `another process: pid ${before.pid ?? '?'} before, ${after.pid ?? '?'} after`;
  if (after.status === 'SUSPECT') return 'its heartbeat is late';
  return before.status === 'OFFLINE' ? 'came back' : 'its heartbeat is in time again';
}
