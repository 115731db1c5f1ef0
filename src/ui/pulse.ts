/**
 * The heartbeat of the dashboard: once a second, while somebody looks, it asks how the recorder is. The answer feeds the header
 * and the banners, and whatever shows the present asks anew when there is something new to see.
 */
import { computed, signal } from '@preact/signals';
import { History, refusalIn } from '../client/history.ts';
import type { ClusterAnswer } from '../contract/api.ts';
import { reasonOf } from '../errors.ts';
import { at, ROOT } from './router.ts';

const EVERY = 1000;
/** Longest pause between attempts while nothing answers. */
const LONGEST = 5000;

export const history = new History({ url: ROOT });

/** What the recorder said last; null before its first answer. */
export const status = signal<ClusterAnswer | null>(null);
/** Why it does not answer; null while it does. */
export const lost = signal<string | null>(null);
/** Stopped by the reader, so that nothing moves. */
export const paused = signal(false);
/** Epoch seconds by the recorder's clock, once a second. */
export const now = signal(Date.now() / 1000);

/** Changes whenever there may be something new to see; stands still in the past and while paused. */
export const beat = computed(() => (at.value === null && !paused.value ? tick.value : 'still'));

/** The same for what takes longer to find out and changes slowly: every ten seconds. */
export const slowBeat = computed(() => (beat.value === 'still' ? 'still' : String(Math.floor(now.value / 10))));

/** The latest snapshot, and how far the record is. */
const tick = signal('');
/** The recorder's clock less ours, seconds. */
let offset = 0;
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** From now on, while the page is visible. */
export function startPulse(): void {
  document.addEventListener('visibilitychange', again);
  setInterval(() => {
    if (!document.hidden && !paused.value) now.value = Date.now() / 1000 + offset;
  }, 1000);
  again();
}

/** Asks at once. */
function again(): void {
  clearTimeout(timer);
  if (!document.hidden) void ask();
}

async function ask(): Promise<void> {
  try {
    const answer = await history.cluster({}, { signal: AbortSignal.timeout(10_000) });
    offset = answer.now - Date.now() / 1000;
    status.value = answer;
    lost.value = null;
    failures = 0;
    tick.value = `${answer.started} ${answer.last_shutter?.snapshot} ${answer.position}`;
  } catch (error) {
    failures += 1;
    const refusal = refusalIn(error);
    lost.value = refusal?.error ?? reasonOf(error);
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(again, Math.min(EVERY * 1.5 ** failures, LONGEST));
}
