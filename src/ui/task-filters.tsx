/** What the tasks page is asked: the filter, when tasks were received, their states. All of it is in the URL. */
import { useState } from 'preact/hooks';
import { readTime } from '../domain/filter-values.ts';
import type { Known } from './completion.ts';
import { count } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { MomentField } from './moment-field.tsx';
import { State } from './parts.tsx';
import { history, status } from './pulse.ts';
import { at, change, place } from './router.ts';
import { Search } from './search.tsx';

const STATES = ['PENDING', 'RECEIVED', 'STARTED', 'SUCCESS', 'FAILURE', 'RETRY', 'REVOKED', 'REJECTED'];
const RANGES: readonly (readonly [string, string])[] = [
  ['', 'any time'],
  ['-5m', 'last 5 minutes'],
  ['-15m', 'last 15 minutes'],
  ['-1h', 'last hour'],
  ['-6h', 'last 6 hours'],
  ['-1d', 'last day'],
  ['-7d', 'last 7 days'],
];
/** The filter. What can be chosen from is fetched when the box is first entered. */
export function Box() {
  const [isUsed, use] = useState(false);
  const then = at.value ?? undefined;
  const { value } = useAnswer(isUsed ? `known ${then}` : 'none', 'once', async (signal) => {
    if (!isUsed) return null;
    const [names, workers] = await Promise.all([
      history.taskNames({}, { signal }),
      history.workers({ at: then, limit: 1000 }, { signal }),
    ]);
    return {
      name: names.items.flatMap(({ name }) => (name === null ? [] : [name])),
      worker: workers.items.map(({ hostname }) => hostname),
    };
  });
  const clusters = status.value?.clusters.map(({ cluster }) => cluster) ?? [];
  const known: Known = { state: STATES, cluster: clusters, ...value };
  return (
    <Search
      value={place.value.query.get('q') ?? ''}
      known={known}
      onFocus={() => use(true)}
      onChange={(q, isFinal) => change({ q }, isFinal ? 'push' : 'replace')}
    />
  );
}

/** When they were received. */
export function Range() {
  const { query } = place.value;
  const [from, to] = [query.get('received_from') ?? '', query.get('received_to') ?? ''];
  const isUsual = to === '' && RANGES.some(([value]) => value === from);
  return (
    <>
      <label>
        Received
        <select
          value={isUsual ? from : 'custom'}
          onChange={({ currentTarget: { value } }) => {
            if (value !== 'custom') change({ received_from: value, received_to: null });
            else
              change({
                received_from: new Date(Date.now() - 3_600_000).toISOString(),
                received_to: new Date().toISOString(),
              });
          }}
        >
          {RANGES.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
          <option value="custom">between …</option>
        </select>
      </label>
      {!isUsual && <Bound name="received_from" title="from" value={from} />}
      {!isUsual && <Bound name="received_to" title="to" value={to} />}
    </>
  );
}

function Bound({ name, title, value }: { readonly name: string; readonly title: string; readonly value: string }) {
  const time = value === '' ? undefined : readTime(value, Date.now() / 1000);
  return (
    <MomentField
      label={title}
      value={time ?? null}
      onChange={(moment) => change({ [name]: moment === null ? null : new Date(moment * 1000).toISOString() })}
    />
  );
}

/** The states, with how many tasks in the recorder's memory are in each, whatever the filter. */
export function Pills() {
  const then = at.value ?? undefined;
  const past = useAnswer(`states ${then}`, 'once', async (signal) =>
    then === undefined ? null : (await history.cluster({ at: then }, { signal })).tasks,
  );
  const counts = (then === undefined ? status.value?.tasks : past.value) ?? {};
  const chosen = place.value.query.get('state')?.split(',').filter(Boolean) ?? [];
  const all = [...new Set([...STATES, ...Object.keys(counts), ...chosen])];
  return (
    <fieldset class="pills" title="How many tasks the recorder has in memory in each state, whatever the filter">
      <legend class="hidden">States</legend>
      {all.map((state) => (
        <button
          key={state}
          type="button"
          class="pill"
          aria-pressed={chosen.includes(state)}
          onClick={() =>
            change({
              state: chosen.includes(state)
                ? chosen.filter((each) => each !== state).join()
                : [...chosen, state].join(),
            })
          }
        >
          <State of={state} /> {count(counts[state] ?? 0)}
        </button>
      ))}
    </fieldset>
  );
}
