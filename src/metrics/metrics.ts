/** What `/metrics` tells: the tasks and workers of the clusters in the names of its peers, and how celerycam itself does. */
import type { QueueLength } from '../broker/queue-watch.ts';
import type { ReceiverStatus } from '../broker/receiver.ts';
import type { Diagnostics } from '../diagnostics.ts';
import type { Seconds } from '../domain/event.ts';
import { GAP_CAUSES } from '../domain/gap.ts';
import type { Clusters } from '../domain/state.ts';
import type { GapTotal, Journal } from '../journal/journal.ts';
import type { Activity } from '../live/activity.ts';
import { BeatMetrics } from './beat.ts';
import { type Census, censusOf } from './census.ts';
import { Durations } from './durations.ts';
import { Exposition, labelText } from './exposition.ts';
import { writePrefetched, writeQueues, writeTasks, writeWorkers } from './peers.ts';

export interface MetricsSources {
  readonly version: string;
  readonly simulated: boolean;
  /** Periodic tasks are sent from this process when it leads. */
  readonly beats: boolean;
  readonly clusters: Clusters;
  readonly activity: Activity;
  readonly journal: Pick<Journal, 'totals' | 'gapTotals'>;
  readonly inbox: { readonly bytes: number };
  readonly hub: { readonly clients: number };
  readonly receivers: () => readonly ReceiverStatus[];
  readonly queueLengths: () => readonly QueueLength[];
  readonly diagnostics: Diagnostics;
  readonly clock: () => Seconds;
}

/** For so long after a scrape it is worth while to look at queues. */
const WANTED: Seconds = 300;

/**
 * Counters of what was recorded go on over restarts: of events with the snapshots (`domain/tally.ts`), of gaps, dead letters
 * and duplicates with the journal. Those of attempts and durations begin with the process, as Prometheus expects.
 */
export class Metrics {
  readonly #sources: MetricsSources;
  readonly #appends = new Durations();
  readonly #shutters = new Durations();
  readonly #beat: BeatMetrics | null;
  #journalFailures = 0;
  #shutterFailures = 0;
  #gaps: readonly GapTotal[] = [];
  #asked: Seconds = Number.NEGATIVE_INFINITY;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    const { diagnostics, beats } = sources;
    this.#beat = beats ? new BeatMetrics(diagnostics) : null;
    diagnostics.on('journal:appended', ({ seconds }) => this.#appends.observe(seconds));
    diagnostics.on('camera:shutter', ({ seconds }) => this.#shutters.observe(seconds));
    diagnostics.on('journal:failed', () => {
      this.#journalFailures += 1;
    });
    diagnostics.on('camera:failed', () => {
      this.#shutterFailures += 1;
    });
    // What cannot be asked for now is asked for with the next one.
    diagnostics.on('gap', () => void this.countGaps().catch(() => undefined));
  }

  /** Looks how many gaps there are. @throws MonitorError where the database does not answer */
  async countGaps(): Promise<void> {
    this.#gaps = await this.#sources.journal.gapTotals();
  }

  /** Whether it was scraped within the last minutes. */
  get wanted(): boolean {
    return this.#sources.clock() - this.#asked < WANTED;
  }

  /** The answer to one scrape, as `CONTENT_TYPE`. */
  render(): string {
    const out = new Exposition();
    const { clusters, clock, queueLengths } = this.#sources;
    const { tally } = clusters;
    const now = clock();
    this.#asked = now;
    const census = Array.from(clusters.byName.values(), (state) => censusOf(state, now));
    if (tally) {
      writeTasks(out, tally);
      writePrefetched(out, census, tally);
      writeWorkers(out, clusters, now, tally.limit);
      writeQueues(out, queueLengths());
      out.family('celerycam_events_total', 'counter', 'Events recorded, by type.');
      for (const { kind, labels, counts } of tally.series.values()) {
        if (kind === 'events') out.sample(labelText(['cluster', 'type'], labels), counts[0] as number);
      }
    }
    this.#writeState(out, census);
    this.#writeRecording(out);
    this.#beat?.write(out);
    this.#writeProcess(out);
    return out.text;
  }

  #writeState(out: Exposition, all: readonly Census[]): void {
    const each = (
      name: string,
      label: string,
      help: string,
      of: (census: Census) => ReadonlyMap<string, number>,
    ): void => {
      out.family(name, 'gauge', help);
      for (const census of all) {
        for (const [value, n] of of(census)) out.sample(labelText(['cluster', label], [census.cluster, value]), n);
      }
    };
    each('celerycam_tasks', 'state', 'Tasks in memory, by state.', ({ tasks }) => tasks);
    each('celerycam_workers', 'status', 'Workers in memory, by status.', ({ workers }) => workers);
    out.family('celerycam_orphaned_tasks', 'gauge', 'Tasks in memory whose worker went away while it executed them.');
    for (const { cluster, orphaned } of all) out.sample(labelText(['cluster'], [cluster]), orphaned);
    const share = 'Share of the tasks begun by the present worker processes that were heard of, 0 to 1.';
    out.family('celerycam_capture_completeness', 'gauge', share);
    for (const { cluster, completeness } of all) {
      if (completeness !== null) out.sample(labelText(['cluster'], [cluster]), completeness);
    }
    out.family('celerycam_evicted_active_total', 'counter', 'Tasks dropped from memory before they had ended.');
    for (const { cluster, evicted_active } of this.#sources.clusters.byName.values()) {
      out.sample(labelText(['cluster'], [cluster]), evicted_active);
    }
  }

  #writeRecording(out: Exposition): void {
    const { clusters, activity, journal, inbox, hub, receivers } = this.#sources;
    const one = (name: string, type: 'counter' | 'gauge', help: string, value: number | null): void => {
      out.family(`celerycam_${name}`, type, help);
      if (value !== null) out.sample('', value);
    };
    one('position', 'gauge', 'Position in the journal up to which everything is folded.', clusters.position);
    one('lag_seconds', 'gauge', 'From the time of the newest event to its being recorded.', activity.lag);
    one('recording', 'gauge', '1 while events can be recorded, else 0.', activity.recordingError === null ? 1 : 0);
    out.family('celerycam_receiver_connected', 'gauge', '1 while events of the cluster are received, else 0.');
    for (const { cluster, connected } of receivers()) {
      out.sample(labelText(['cluster'], [cluster]), connected ? 1 : 0);
    }
    one('buffered_bytes', 'gauge', 'Received, and waiting to be recorded.', inbox.bytes);
    this.#appends.write(out, 'celerycam_journal_append_seconds', 'Time to record a batch, waiting included.');
    one(
      'journal_failures_total',
      'counter',
      'Attempts to record that failed and were repeated.',
      this.#journalFailures,
    );
    this.#shutters.write(out, 'celerycam_shutter_seconds', 'Time to take a snapshot.');
    one('shutter_failures_total', 'counter', 'Snapshots and cleanups that failed.', this.#shutterFailures);
    const { lastShutter } = activity;
    one('snapshot_timestamp_seconds', 'gauge', 'When the latest snapshot was taken.', lastShutter?.at ?? null);
    one('snapshot_position', 'gauge', 'The position of the latest snapshot.', lastShutter?.position ?? null);
    out.family('celerycam_gaps_total', 'counter', 'Intervals in which events may have been missed, by cause.');
    for (const [labels, gaps] of this.#gapCounts()) out.sample(labels, gaps);
    const { deadLetters, duplicates } = journal.totals;
    one('dead_letters_total', 'counter', 'Messages that could not be decoded, kept in dead_letters.', deadLetters);
    one('duplicates_total', 'counter', 'Events that the broker delivered again and that were left out.', duplicates);
    one('feed_clients', 'gauge', 'Clients of the live feed.', hub.clients);
  }

  /** With what never happened: the first of a series that was not there before would be no increase. */
  #gapCounts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    const text = (cluster: string, cause: string): string => labelText(['cluster', 'cause'], [cluster, cause]);
    for (const { cluster } of this.#sources.receivers()) {
      for (const cause of GAP_CAUSES) counts.set(text(cluster, cause), 0);
    }
    for (const { cluster, cause, gaps } of this.#gaps) counts.set(text(cluster, cause), gaps);
    return counts;
  }

  #writeProcess(out: Exposition): void {
    const { version, simulated, activity } = this.#sources;
    out.family('celerycam_info', 'gauge', 'Always 1.');
    out.sample(labelText(['version', 'simulated'], [version, String(simulated)]), 1);
    out.family('process_start_time_seconds', 'gauge', 'Start time of the process since unix epoch in seconds.');
    out.sample('', activity.started);
    out.family('process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.');
    const { user, system } = process.cpuUsage();
    out.sample('', (user + system) / 1e6);
    out.family('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.');
    out.sample('', process.memoryUsage.rss());
  }
}
