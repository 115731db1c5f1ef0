/** What comes with a request that writes: its body as the contract has it, and which version of a thing it means. */
import type { HonoRequest } from 'hono';
import type { ErrorAnswer } from '../contract/api.ts';
import { faultIn } from '../contract/fault.ts';
import type { Route } from '../contract/routes.ts';

export interface Sent {
  readonly body: unknown;
  /** The thing is still the one that is meant, which now has this `etag`. */
  readonly isMeant: (etag: string) => boolean;
}

export interface NotSent {
  readonly status: 400 | 415 | 428;
  readonly told: ErrorAnswer;
}

/** Its length was looked at before: see `guard.ts`. */
export async function readSent(route: Route, request: HonoRequest): Promise<Sent | NotSent> {
  const tags = request.header('if-match');
  if (route.guarded && tags === undefined) {
    const error =
      'the header If-Match is missing; expected the etag of what was read, so that no change of others is lost';
    return { status: 428, told: { error, parameter: 'If-Match' } };
  }
  const meant = tags?.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1')) ?? [];
  const isMeant = (etag: string): boolean => meant.includes('*') || meant.includes(etag);
  if (!route.body) return { body: null, isMeant };
  // A page of another site may send a form, but no JSON without asking first.
  if (!/^application\/json *(;|$)/i.test(request.header('content-type') ?? '')) {
    return { status: 415, told: { error: 'the body is not said to be JSON; expected Content-Type: application/json' } };
  }
  let given: unknown;
  try {
    given = JSON.parse(await request.text());
  } catch (error) {
    return { status: 400, told: { error: `the body is no JSON: ${(error as Error).message}` } };
  }
  const read = route.body.safeParse(given);
  return read.success ? { body: read.data, isMeant } : { status: 400, told: faultIn(read.error) };
}
