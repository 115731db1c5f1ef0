/** What is wrong with what somebody sent, for the person who did. */
import type { z } from 'zod';
import type { ErrorAnswer } from './api.ts';

/** The first thing that is wrong with what was sent. @param where in the request it was */
export function faultIn({ issues }: z.ZodError, where: readonly string[] = []): ErrorAnswer {
  const [issue] = issues;
  const path = [...where, ...(issue?.path ?? [])];
  if (issue?.code === 'unrecognized_keys') {
    const parameter = [...path, issue.keys[0]].join('.');
    return { error: `there is no field ${shown(parameter)} here`, parameter };
  }
  const parameter = path.join('.');
  const expected = issue?.message ?? 'something else';
  return { error: `${parameter || 'the body'}: expected ${expected}`, parameter, expected };
}

/** A value as an error may show it. */
export function shown(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}
