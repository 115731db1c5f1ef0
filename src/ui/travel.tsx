/** Time travel: which moment every page shows, in the URL as `at`; back and forth through what was recorded, and played. */
import { useEffect, useState } from 'preact/hooks';
import { reasonOf } from '../errors.ts';
import { ago, dateTime, duration, visible } from './format.ts';
import { MomentField } from './moment-field.tsx';
import { history, now } from './pulse.ts';
import { at, atTime, change, hrefOf } from './router.ts';

/** How far back the slider reaches, seconds. */
const REACHES = [900, 3600, 21_600, 86_400, 604_800, 2_592_000] as const;
const SPEEDS = [1, 10, 60] as const;

export function Travel() {
  if (at.value === null) {
    return (
      <button type="button" class="small" onClick={() => goTo(now.value - 60)}>
        Go back in time
      </button>
    );
  }
  return <Then />;
}

/** To a moment of the past; what is not past yet is now. */
function goTo(time: number): void {
  change({ at: time >= now.peek() ? null : Math.round(time * 1000) / 1000 }, 'replace');
}

function Then() {
  const time = atTime.value ?? now.value;
  const [reach, setReach] = useState<number>(
    () => REACHES.find((each) => now.peek() - time < each * 0.98) ?? REACHES[5],
  );
  const [speed, play] = useState(0);
  const [problem, say] = useState<string | null>(null);
  useEffect(() => {
    if (speed === 0) return;
    const timer = setInterval(() => goTo((atTime.peek() ?? 0) + speed), 1000);
    return () => clearInterval(timer);
  }, [speed]);
  const step = (way: 'back' | 'on'): void => {
    neighbour(time, way).then(
      (found) => {
        say(found === null ? `There is no snapshot ${way === 'back' ? 'before' : 'after'} this one.` : null);
        if (found !== null) goTo(found);
      },
      (error: unknown) => say(reasonOf(error)),
    );
  };
  const slide = Math.min(reach, Math.max(0, now.value - time));
  return (
    <section class="travel then" aria-label="Time travel">
      <div class="travel when">
        <strong role="status">As it was at {dateTime(time)}</strong>
        <span>{ago(Math.max(0, now.value - time))}</span>
        <button type="button" class="small" onClick={() => change({ at: null })}>
          Back to now
        </button>
        <a href={hrefOf('history', { at: null, from: time })}>What has changed since</a>
      </div>
      <button type="button" class="small" onClick={() => step('back')}>
        ◂ snapshot
      </button>
      <button type="button" class="small" onClick={() => step('on')}>
        snapshot ▸
      </button>
      <MomentField label="Moment" isBare value={time} onChange={(moment) => moment !== null && goTo(moment)} />
      <input
        type="range"
        aria-label="Moment"
        aria-valuetext={dateTime(time)}
        min={-reach}
        max={0}
        step={Math.max(1, reach / 900)}
        value={-slide}
        onInput={({ currentTarget }) => goTo(now.peek() + Number(currentTarget.value))}
      />
      <label>
        of the last
        <select value={reach} onChange={({ currentTarget }) => setReach(Number(currentTarget.value))}>
          {REACHES.map((each) => (
            <option key={each} value={each}>
              {duration(each).replace(/ 0+ \w$/, '')}
            </option>
          ))}
        </select>
      </label>
      <label>
        Play
        <select value={speed} onChange={({ currentTarget }) => play(Number(currentTarget.value))}>
          <option value={0}>stopped</option>
          {SPEEDS.map((each) => (
            <option key={each} value={each}>
              {each}×
            </option>
          ))}
        </select>
      </label>
      {problem !== null && <span role="alert">{visible(problem)}</span>}
    </section>
  );
}

/** When the snapshot before or after the one that is shown was taken; null: there is none. */
async function neighbour(time: number, way: 'back' | 'on'): Promise<number | null> {
  const shown = (await history.snapshots({ to: time, limit: 1 })).items[0];
  if (way === 'back') {
    if (!shown) return null;
    const before = await history.snapshots({ to: shown.taken_at, limit: 2 });
    return before.items.find(({ snapshot }) => snapshot !== shown.snapshot)?.taken_at ?? null;
  }
  // They are told newest first: look ahead further and further.
  for (let ahead = 5; ahead < 1e8; ahead *= 8) {
    const { items, next } = await history.snapshots({ from: time, to: time + ahead, limit: 1000 });
    const later = items.filter(({ taken_at }) => taken_at > time);
    if (later.length > 0 && next === null) return later.at(-1)?.taken_at ?? null;
    if (time + ahead > now.peek()) return later.at(-1)?.taken_at ?? null;
  }
  return null;
}
