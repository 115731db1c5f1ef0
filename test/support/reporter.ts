/** Ends a run with one plain line that people and programs can read: `N passed, N failed, N skipped`. */
import type { Reporter, TestModule } from 'vitest/node';

export class SummaryReporter implements Reporter {
  #counts = { passed: 0, failed: 0, skipped: 0 };
  #ended = false;

  onInit(): void {
    // At exit, so that nothing else comes after it. A run that never got to its tests has failed.
    process.once('exit', () => {
      const { passed, failed, skipped } = this.#ended ? this.#counts : { passed: 0, failed: 1, skipped: 0 };
      process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    this.#ended = true;
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed') counts[state] += 1;
        else counts.skipped += 1;
      }
      // A file that does not even load, or whose hooks fail, has no failed test of its own.
      if (module.state() === 'failed' && module.errors().length > 0) counts.failed += 1;
    }
    if (counts.failed === 0) counts.failed = errors.length;
    this.#counts = counts;
  }
}
