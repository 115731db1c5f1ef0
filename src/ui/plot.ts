/** Draws with uPlot; a file of its own, so that only pages with charts load it. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { GapRow } from '../contract/history.ts';
import type { Line } from './chart.tsx';

export interface PlotData {
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly gaps: readonly GapRow[];
  readonly from: number;
  readonly to: number;
  readonly show: (value: number) => string;
}

export interface Plot {
  readonly update: (data: PlotData) => void;
  readonly destroy: () => void;
}

const HEIGHT = 180;

/** For as long as the same lines are drawn in the same colours. */
export function createPlot(place: HTMLElement, first: PlotData): Plot {
  let data = first;
  const ink = colourOf(place, '--soft');
  const line = colourOf(place, '--line');
  const gap = colourOf(place, '--retry');
  const axis = {
    stroke: ink,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
    font: '12px system-ui',
  };
  const options: uPlot.Options = {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => [data.from, data.to] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 28, values: '{HH}:{mm}' },
      { ...axis, size: 64, values: (_, values) => values.map((value) => data.show(value)) },
    ],
    series: [
      {},
      ...first.lines.map(({ label, colour }) => ({
        label,
        stroke: colourOf(place, colour),
        width: 1.5,
        points: { size: 4 },
      })),
    ],
    hooks: { drawClear: [(plot: uPlot) => shade(plot, data.gaps, gap)] },
  };
  // Days have another label than minutes.
  if (first.to - first.from > 86_400) options.axes = [{ ...axis, size: 44 }, ...(options.axes ?? []).slice(1)];
  const plot = new uPlot(options, columnsOf(first), place);
  const observer = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT }));
  observer.observe(place);
  return {
    update: (next) => {
      data = next;
      plot.setData(columnsOf(next));
    },
    destroy: () => {
      observer.disconnect();
      plot.destroy();
    },
  };
}

function columnsOf({ times, lines }: PlotData): uPlot.AlignedData {
  return [[...times], ...lines.map(({ values }) => [...values])];
}

/** Intervals in which events may have been missed, behind the lines. */
function shade({ ctx, bbox, valToPos }: uPlot, gaps: readonly GapRow[], colour: string): void {
  ctx.save();
  ctx.fillStyle = colour;
  ctx.globalAlpha = 0.25;
  for (const { started_at, ended_at } of gaps) {
    const left = Math.max(bbox.left, valToPos(started_at, 'x', true));
    const right = Math.min(bbox.left + bbox.width, valToPos(ended_at, 'x', true));
    if (right > bbox.left && left < bbox.left + bbox.width)
      ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
  }
  ctx.restore();
}

/** A canvas knows no custom properties, nor `light-dark()`. */
function colourOf(place: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
