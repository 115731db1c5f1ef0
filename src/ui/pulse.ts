/**
 * The heartbeat of the dashboard: while somebody looks, it asks how the recorder is whenever the live feed tells of a snapshot,
 * and now and then besides. The answer feeds the header and the banners, and whatever shows the present asks anew when there
 * is something new to see.
 */
import { computed, signal } from '@preact/signals';
import { refusalIn } from '../client/api-client.ts';
import { History } from '../client/history.ts';
import type { LiveFeed } from '../client/live-feed.ts';
import type { ClusterAnswer } from '../contract/api.ts';
import { reasonOf } from '../errors.ts';
import { at, ROOT } from './router.ts';

/** Milliseconds between two questions: at least, without the feed, and with it, where nothing happens. */
const SOONEST = 1000;
const WITHOUT = 1000;
const WITH = 5000;
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
let feed: LiveFeed | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
/** When the next question is due, and when the last one was put, by `performance.now()`. */
let due = Number.POSITIVE_INFINITY;
let asked = Number.NEGATIVE_INFINITY;
let isAsking = false;

/** From now on, while the page is visible: a tab in the background costs nobody anything. */
export function startPulse(): void {
  document.addEventListener('visibilitychange', look);
  setInterval(() => {
    if (!document.hidden && !paused.value) now.value = Date.now() / 1000 + offset;
  }, 1000);
  look();
}

function look(): void {
  if (document.hidden) {
    clearTimeout(timer);
    due = Number.POSITIVE_INFINITY;
    void feed?.close();
    feed = null;
  } else {
    askAt(performance.now());
    void listen();
  }
}

/** Hears of every snapshot. Who cannot, as behind a proxy that knows no WebSocket, asks once a second. */
async function listen(): Promise<void> {
  const { LiveFeed } = await import('../client/live-feed.ts');
  if (document.hidden || feed) return;
  feed = new LiveFeed(feedAddress, { topics: ['snapshots'], maxBackoff: LONGEST });
  feed.on('shutter', () => askAt(asked + SOONEST));
  feed.on('lost', () => askAt(asked + SOONEST));
  feed.on('failed', () => askAt(asked + SOONEST));
}

/** With a ticket, since not every browser sends a login along with a WebSocket. */
async function feedAddress(): Promise<string> {
  const response = await fetch(`${ROOT}api/ticket`, { method: 'POST' });
  if (!response.ok) throw new Error(`no ticket: ${response.status}`);
  const { ticket } = (await response.json()) as { readonly ticket: string };
  return `${ROOT}live?ticket=${encodeURIComponent(ticket)}`;
}

/** Asks then, unless that is to happen sooner anyway. */
function askAt(time: number): void {
  if (document.hidden || time >= due) return;
  clearTimeout(timer);
  due = time;
  timer = setTimeout(() => void ask(), time - performance.now());
}

async function ask(): Promise<void> {
  due = Number.POSITIVE_INFINITY;
  if (isAsking) {
    askAt(performance.now() + SOONEST);
    return;
  }
  isAsking = true;
  asked = performance.now();
  try {
    const answer = await history.cluster({}, { signal: AbortSignal.timeout(10_000) });
    offset = answer.now - Date.now() / 1000;
    status.value = answer;
    lost.value = null;
    failures = 0;
    tick.value = `${answer.started} ${answer.last_shutter?.snapshot} ${answer.position}`;
  } catch (error) {
    failures += 1;
    lost.value = refusalIn(error)?.error ?? reasonOf(error);
  } finally {
    isAsking = false;
  }
  const pause = failures > 0 ? Math.min(WITHOUT * 1.5 ** failures, LONGEST) : feed?.isConnected ? WITH : WITHOUT;
  askAt(performance.now() + pause);
}
