/** How the beat of this process does. While another process leads, that one counts. */
import type { Diagnostics, RunTold } from '../diagnostics.ts';
import { Durations } from './durations.ts';
import { type Exposition, labelText } from './exposition.ts';

export class BeatMetrics {
  readonly #runs: Record<RunTold['outcome'], number> = { sent: 0, skipped: 0, unroutable: 0 };
  readonly #lateness = new Durations();
  #leading = false;
  #failures = 0;
  #missed = 0;
  #unfit = 0;

  constructor(diagnostics: Diagnostics) {
    diagnostics.on('beat:leading', () => {
      this.#leading = true;
    });
    diagnostics.on('beat:stepped-down', () => {
      this.#leading = false;
      this.#unfit = 0;
    });
    diagnostics.on('beat:failed', () => {
      this.#failures += 1;
    });
    diagnostics.on('beat:read', ({ unfit }) => {
      this.#unfit = unfit.size;
    });
    diagnostics.on('beat:ran', ({ runs }) => {
      for (const run of runs) this.#count(run);
    });
  }

  write(out: Exposition): void {
    const one = (name: string, type: 'counter' | 'gauge', help: string, value: number): void => {
      out.family(`celerycam_beat_${name}`, type, help);
      out.sample('', value);
    };
    one('leading', 'gauge', '1 while periodic tasks are sent from this process, else 0.', this.#leading ? 1 : 0);
    one('failures_total', 'counter', 'How often the beat of this process failed, and began anew.', this.#failures);
    one('unfit_tasks', 'gauge', 'Periodic tasks that are enabled, make no sense and are never sent.', this.#unfit);
    out.family('celerycam_beat_runs_total', 'counter', 'Due times of periodic tasks, by what became of them.');
    for (const [outcome, n] of Object.entries(this.#runs)) out.sample(labelText(['outcome'], [outcome]), n);
    one('missed_total', 'counter', 'Due times that were passed over together with a later one.', this.#missed);
    this.#lateness.write(out, 'celerycam_beat_lateness_seconds', 'From when a task was due to its being sent.');
  }

  #count({ outcome, missed, due_at, sent_at }: RunTold): void {
    this.#runs[outcome] += 1;
    this.#missed += missed;
    if (due_at !== null && sent_at !== null) this.#lateness.observe(sent_at - due_at);
  }
}
