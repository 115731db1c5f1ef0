/** Figures over time, of the whole or of one worker: throughput, failures, runtimes, waits; gaps shaded in each. */
import type { Stats, StatsPoint } from '../contract/history.ts';
import { Chart, type Line } from './chart.tsx';
import { count, duration, percent, plural } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Problem } from './parts.tsx';
import { history, now, slowBeat } from './pulse.ts';
import { atTime, change, hrefOf, place } from './router.ts';

/** Name in the URL, seconds, and how finely it is drawn. */
const SPANS = [
  ['15m', 900, '1m'],
  ['1h', 3600, '1m'],
  ['6h', 21_600, '5m'],
  ['1d', 86_400, '5m'],
  ['7d', 604_800, '1h'],
  ['30d', 2_592_000, '1d'],
] as const;

/** The length of time that the URL asks for. */
export function spanNow(): (typeof SPANS)[number] {
  const name = place.value.query.get('span') ?? '1h';
  return SPANS.find(([each]) => each === name) ?? SPANS[1];
}

function SpanChoice() {
  return (
    <label>
      Over the last
      <select value={spanNow()[0]} onChange={({ currentTarget }) => change({ span: currentTarget.value })}>
        {SPANS.map(([name]) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Figures({ worker }: { readonly worker?: string }) {
  const [name, seconds, bucket] = spanNow();
  const until = atTime.value;
  const { value, error, isOld } = useAnswer(
    `stats ${JSON.stringify([name, worker, until])}`,
    slowBeat.value,
    (signal) => {
      const to = until ?? now.peek();
      return history.stats({ from: to - seconds, to, bucket, worker }, { signal });
    },
  );
  return (
    <>
      <div class="title">
        <h2>Over time</h2>
        <SpanChoice />
        {value && value.gaps.length > 0 && (
          <span class="soft">
            <span class="key-colour shaded" aria-hidden="true" /> shaded: events may have been missed, in{' '}
            <a href={hrefOf('system')}>{plural(value.gaps.length, 'gap')}</a>
          </span>
        )}
      </div>
      <Problem error={error} />
      <div class="panels charts" aria-busy={isOld}>
        {value &&
          chartsOf(value, until ?? now.value).map(({ title, lines, show }) => (
            <Chart key={title} {...{ title, lines, show }} of={value} />
          ))}
      </div>
    </>
  );
}

interface ChartOf {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly show: (value: number) => string;
}

/** States that get a line, the last three where any task was in one: what came of tasks. */
const DRAWN = ['SUCCESS', 'FAILURE', 'RETRY', 'REVOKED', 'REJECTED'];

/** @param until up to when it is known */
function chartsOf({ series, bucket }: Stats, until: number): readonly ChartOf[] {
  const points = series[0]?.points ?? [];
  const states = [...new Set(['SUCCESS', 'FAILURE', ...points.flatMap(({ tasks }) => Object.keys(tasks))])];
  // What is not over yet would look like a fall.
  const isWhole = (at: number): boolean => at + bucket <= until;
  const drawn = DRAWN.filter((state) => states.includes(state));
  const of = (label: string, colour: string, read: (point: StatsPoint) => number | null): Line => ({
    label,
    colour,
    values: points.map(read),
  });
  const seconds = (field: 'runtime' | 'wait'): readonly Line[] => [
    of('median', '--started', (point) => point[field].p50),
    of('95 %', '--retry', (point) => point[field].p95),
  ];
  return [
    {
      title: `Tasks per ${bucket === 60 ? 'minute' : bucket === 3600 ? 'hour' : bucket === 86_400 ? 'day' : duration(bucket)} by state`,
      lines: drawn.map((state) =>
        of(state, `--${state.toLowerCase()}`, ({ at, tasks }) => (isWhole(at) ? (tasks[state] ?? 0) : null)),
      ),
      // Between whole numbers there are no tasks.
      show: (value) => (Number.isInteger(value) ? count(value) : ''),
    },
    {
      title: 'Failure rate',
      lines: [of('FAILURE of all that ended', '--failure', ({ tasks }) => failureRate(tasks))],
      show: percent,
    },
    { title: 'Runtime', lines: seconds('runtime'), show: duration },
    { title: 'Wait for execution', lines: seconds('wait'), show: duration },
  ];
}

/** FAILURE / (SUCCESS + FAILURE); null where neither is. */
export function failureRate(tasks: Readonly<Record<string, number>>): number | null {
  const { SUCCESS = 0, FAILURE = 0 } = tasks;
  return SUCCESS + FAILURE === 0 ? null : FAILURE / (SUCCESS + FAILURE);
}
