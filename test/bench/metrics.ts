/** How long a scrape of a large cluster takes, and what counting costs the fold: processor time, of all threads. */
import { foldCrowd, metricsOf } from '../support/crowd.ts';

const NAMES = 500;
const HOSTS = 200;

export function benchMetrics(): void {
  const rate = (maxLabels?: number): number => {
    const begun = process.cpuUsage();
    const { position } = foldCrowd(50, 20, maxLabels, 100);
    const { user, system } = process.cpuUsage(begun);
    return position / ((user + system) / 1000);
  };
  rate();
  rate(500);
  const [bare, counting] = [rate(), rate(500)];
  const share = ((counting / bare) * 100).toFixed(0);
  console.log(`fold ${bare.toFixed(0)} k events/s, counting ${counting.toFixed(0)} k events/s (${share} %)`);
  for (const maxLabels of [500, 1000]) {
    const clusters = foldCrowd(NAMES, HOSTS, maxLabels);
    const metrics = metricsOf(clusters);
    const times: number[] = [];
    let bytes = 0;
    for (let n = 0; n < 20; n++) {
      const begun = process.cpuUsage();
      bytes = Buffer.from(metrics.render()).length;
      const { user, system } = process.cpuUsage(begun);
      times.push((user + system) / 1000);
    }
    const [first = 0] = times;
    const median = times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
    const size = `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(
      `scrape of ${NAMES} names × ${HOSTS} hosts, --metrics-max-labels ${maxLabels}: ${median.toFixed(0)} ms, the first ${first.toFixed(0)} ms (goal: 50), ${size}`,
    );
  }
}
