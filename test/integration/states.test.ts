/** The names and sets of states are those of `celery.states`. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import * as ours from '../../src/index.ts';
import { PYTHON } from '../support/services.ts';

const SCRIPT = `
import json
from celery import states
print(json.dumps({name: sorted(value) if isinstance(value, frozenset) else value
  for name, value in vars(states).items() if name.isupper() and isinstance(value, (str, frozenset))}))
`;

test("states and sets of states are Celery's own", async () => {
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', SCRIPT]);
  // Celery has a name for IGNORED and puts no task into that state.
  const { IGNORED: _, ...celery } = JSON.parse(stdout) as Record<string, string | string[]>;
  expect(Object.keys(celery).length).toBeGreaterThan(12);
  const exported = Object.entries(ours as Record<string, unknown>);
  const known = new Map(exported.map(([name, value]) => [name, value instanceof Set ? [...value].sort() : value]));
  expect(Object.fromEntries(Object.keys(celery).map((name) => [name, known.get(name)]))).toEqual(celery);
});
