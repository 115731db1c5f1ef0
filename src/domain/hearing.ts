/**
 * When this monitor could hear a cluster. That nobody spoke while it could not says nothing of anybody: silence is counted
 * in heard time alone.
 */
import type { Seconds } from './event.ts';

export type Hearing = {
  /** Up to when it has heard; null where nobody keeps account, as for a file: then it has heard everything. */
  until: Seconds | null;
  /** When it heard nothing: oldest first. */
  readonly outages: Outage[];
};

type Outage = { readonly from: Seconds; to: Seconds };

/** A pause shorter than this is none: what tells of the hearing comes every half second, or with each event. */
const BLINK: Seconds = 5;

/** More outages than that are told as fewer, longer ones. */
const MAX_OUTAGES = 32;

export function createHearing(): Hearing {
  return { until: null, outages: [] };
}

/** Notes that it hears at this moment. Where the time has jumped since it last did, it was deaf in between. */
export function hear(hearing: Hearing, at: Seconds): void {
  const { until, outages } = hearing;
  if (until !== null && at <= until) return;
  if (until !== null && at - until > BLINK) {
    outages.push({ from: until, to: at });
    if (outages.length > MAX_OUTAGES) {
      const [, second] = outages;
      outages.splice(1, 1);
      if (outages[0] && second) outages[0].to = second.to;
    }
  }
  hearing.until = at;
}

/** The moment up to which silence can be judged. */
function heardUntil({ until }: Hearing, now: Seconds): Seconds {
  return until === null ? now : Math.min(now, until);
}

/** How long it has heard, up to `now`, since `from`; and whether it was deaf in between. */
export function heardSince(hearing: Hearing, from: Seconds, now: Seconds): { seconds: Seconds; interrupted: boolean } {
  let seconds = heardUntil(hearing, now) - from;
  let interrupted = false;
  for (let i = hearing.outages.length - 1; i >= 0; i--) {
    const outage = hearing.outages[i] as Outage;
    if (outage.to <= from) break;
    interrupted = true;
    seconds -= outage.to - Math.max(outage.from, from);
  }
  return { seconds: Math.max(0, seconds), interrupted };
}
