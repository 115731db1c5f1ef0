#!/usr/bin/env node
/** The `celerycam` program: arguments → one command, errors → sentences and exit codes. */
import { CommanderError } from 'commander';
import { createProgram } from './commands/program.ts';
import { MonitorError, reasonOf, redactUrl } from './errors.ts';
import { isAbort } from './runtime.ts';

/** 0: done; 1: failed; 2: asked wrongly. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isAbort(error)) return 0;
  const message = error instanceof MonitorError ? error.message : redactUrl(reasonOf(error));
  process.stderr.write(`celerycam: ${message}\n`);
  if (!(error instanceof MonitorError) && process.env['DEBUG']) process.stderr.write(`${(error as Error).stack}\n`);
  return MonitorError.is(error, 'CONFIG_INVALID') ? 2 : 1;
}

// `celerycam dump | head` ends quietly when head has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  const program = createProgram();
  const [first = '-'] = process.argv.slice(2);
  const names = [...program.commands.map((command) => command.name()), 'help'];
  // Otherwise it would be taken for an argument of `run`.
  if (!first.startsWith('-') && !names.includes(first)) {
    program.error(`error: unknown command '${first}', expected one of ${names.join(', ')}`);
  }
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
