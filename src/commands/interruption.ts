/** How the process is stopped. */

/** Seconds within which everything has to be closed after the first signal. */
const DEADLINE = 30;

/** Aborts at the first SIGINT or SIGTERM. A second one, or the deadline, ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    const giveUp = (): void => {
      process.stderr.write(`celerycam: not everything could be closed within ${DEADLINE} seconds\n`);
      process.exit(1);
    };
    setTimeout(giveUp, DEADLINE * 1000).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
