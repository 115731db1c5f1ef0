/** Lines over time. What draws them is fetched when the first is wanted; who cannot see them gets a table. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Stats } from '../contract/history.ts';
import { clock, dateTime, visible } from './format.ts';
import type { Plot } from './plot.ts';
import { theme } from './theme.ts';
import './style/charts.css';

export interface Line {
  readonly label: string;
  /** A custom property of the stylesheet. */
  readonly colour: string;
  /** One for each point; null: nothing is known. */
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly show: (value: number) => string;
  /** When the points are, and the gaps to shade. */
  readonly of: Stats;
}

export function Chart({ title, lines, show, of }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [isDark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  const points = of.series[0]?.points ?? [];
  const times = points.map(({ at }) => at);
  const data = { times, lines, gaps: of.gaps, from: of.from, to: of.to, show };
  const shape = `${lines.map(({ label }) => label).join()} ${theme.value} ${isDark}`;

  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const note = (): void => setDark(query.matches);
    query.addEventListener('change', note);
    return () => query.removeEventListener('change', note);
  }, []);
  useEffect(() => {
    let isWanted = true;
    void import('./plot.ts').then(({ createPlot }) => {
      if (isWanted && place.current) plot.current = createPlot(place.current, latest.current);
    });
    return () => {
      isWanted = false;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => plot.current?.update(data), [of]);

  const latestPoint = points.findLast((_, n) => lines.some(({ values }) => values[n] !== null));
  const n = latestPoint ? points.indexOf(latestPoint) : -1;
  return (
    <figure class="panel figure">
      <figcaption>
        <h2>{title}</h2>
        <div class="keys-of">
          {lines.map(({ label, colour, values }) => (
            <span key={label} class="soft">
              <span class="key-colour" style={{ background: `var(${colour})` }} /> {visible(label)}{' '}
              {n >= 0 && values[n] != null && show(values[n] as number)}
            </span>
          ))}
        </div>
      </figcaption>
      <div class="chart" ref={place} aria-hidden="true" />
      {n < 0 && <p class="nothing soft">nothing to show in this time</p>}
      <details>
        <summary class="soft">As a table</summary>
        <div class="wide">
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                {lines.map(({ label }) => (
                  <th key={label} scope="col" class="num">
                    {visible(label)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, row) => (
                <tr key={time}>
                  <td>{of.bucket < 3600 ? clock(time) : dateTime(time)}</td>
                  {lines.map(({ label, values }) => (
                    <td key={label} class="num">
                      {values[row] == null ? '–' : show(values[row])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
