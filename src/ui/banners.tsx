/** What one has to know before believing the page: nothing real, not connected, behind, incomplete. */
import type { ComponentChildren } from 'preact';
import { duration, percent, visible } from './format.ts';
import { lost, now, status } from './pulse.ts';
import { at, hrefOf } from './router.ts';

/** Seconds of lag, and without a snapshot, from which on the recorder counts as behind. */
const BEHIND = 10;
/** Below this share of what workers did, what is shown is not the whole. */
const COMPLETE = 0.99;

export function Banners() {
  const banners = [...spoken()];
  return (
    <div class="banners" aria-live="polite">
      {banners.map(([kind, text]) => (
        <p key={kind} class={`banner ${kind}`}>
          {text}
        </p>
      ))}
    </div>
  );
}

function* spoken(): Generator<readonly [string, ComponentChildren]> {
  const answer = status.value;
  if (lost.value !== null) {
    yield [
      'lost',
      <>
        <strong>Disconnected.</strong> {visible(lost.value)}. {answer ? 'What you see is no longer current.' : ''}{' '}
        Trying again.
      </>,
    ];
    if (answer === null) return;
  }
  if (answer === null) return;
  if (answer.simulated) {
    yield [
      'simulated',
      <>
        <strong>Simulated cluster.</strong> Nothing here is real: no broker was joined. Name yours with{' '}
        <code>--broker</code> or <code>CELERY_BROKER_URL</code>.
      </>,
    ];
  }
  if (at.value !== null || lost.value !== null) return;
  if (answer.recording_error !== null) {
    yield [
      'recording',
      <>
        <strong>Nothing can be recorded at the moment.</strong> {visible(answer.recording_error)}
      </>,
    ];
  }
  const away = answer.receivers.filter(({ connected }) => !connected);
  if (away.length > 0) {
    yield [
      'broker',
      <>
        <strong>Not connected to the broker.</strong>{' '}
        {away.map(({ cluster, error }) => `${visible(cluster)}: ${visible(error ?? 'still connecting')}`).join('; ')}.{' '}
        <a href={hrefOf('system')}>Receivers</a>
      </>,
    ];
  }
  const { last_shutter } = answer;
  const age = last_shutter ? now.value - last_shutter.at : 0;
  if (away.length === 0 && answer.lag !== null && answer.lag > BEHIND && answer.events_per_second.now > 0) {
    yield [
      'behind',
      `The recorder is behind: the newest events were ${duration(answer.lag)} old when they were recorded.`,
    ];
  } else if (age > BEHIND && last_shutter && last_shutter.position < answer.position) {
    yield ['behind', `The latest snapshot is ${duration(age)} old: lists do not show what came later.`];
  }
  const { completeness, lost: missed } = answer.capture;
  if (completeness !== null && completeness < COMPLETE) {
    yield [
      'capture',
      <>
        <strong>Incomplete.</strong> Of what workers began, {percent(completeness)} was heard of; {missed} tasks were
        not. Are events off for some of them? <code>celery -A proj control enable_events</code>
      </>,
    ];
  }
}
