/**
 * `/api/changes`: the live feed for those who cannot use WebSocket. As server-sent events with `?stream`; else as NDJSON:
 * what changed since `after`, and where that is nothing, what changes next.
 */
import type { Context } from 'hono';
import type { Seconds } from '../domain/event.ts';
import type { Frame } from '../live/frame.ts';
import type { Hub } from '../live/hub.ts';
import { follow } from '../live/stream.ts';
import { readParams } from '../live/subscription.ts';

/** How long a question for changes may be open before it is answered that there are none. */
const DEFAULT_WAIT: Seconds = 25;
const MAX_WAIT: Seconds = 300;

const NEWLINE = Buffer.from('\n');
const BLANK_LINE = Buffer.from('\n\n');

export function changesRoute(hub: Hub, clock: () => Seconds): (context: Context) => Response {
  return (context) => {
    const params = new URL(context.req.url).searchParams;
    const isStream = params.has('stream');
    params.delete('stream');
    const wait = Number(params.get('wait') ?? DEFAULT_WAIT);
    params.delete('wait');
    if (!(wait >= 0 && wait <= MAX_WAIT))
      return context.json({ error: `wait: expected seconds, 0 to ${MAX_WAIT}` }, 400);
    // A browser that has lost an event stream comes back with this.
    const last = context.req.header('last-event-id');
    if (last) params.set('after', last);
    const read = readParams(params, clock());
    if (!read.ok) return context.json({ error: read.error, ...(read.at !== null && { at: read.at }) }, 400);
    const stop = new AbortController();
    const frames = follow(hub, read.subscription, AbortSignal.any([stop.signal, context.req.raw.signal]));
    const chunks = isStream ? events(frames) : lines(frames, wait, stop);
    const type = isStream ? 'text/event-stream; charset=utf-8' : 'application/x-ndjson; charset=utf-8';
    // A proxy that gathers an answer before it passes it on makes a stream useless.
    return new Response(streamOf(chunks, stop), { headers: { 'content-type': type, 'x-accel-buffering': 'no' } });
  };
}

/** Each message as one event, of which the id is the cursor to go on from. */
async function* events(frames: AsyncIterable<Frame>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { type, cursor, bytes } of frames) {
    const id = cursor === null ? '' : `id: ${cursor}\n`;
    yield Buffer.from(`${id}event: ${type}\ndata: `);
    yield bytes;
    yield BLANK_LINE;
  }
}

/** Each message as one line, until the client is up to date and has been told of some change, or has waited for one so long. */
async function* lines(
  frames: AsyncIterable<Frame>,
  wait: Seconds,
  stop: AbortController,
): AsyncGenerator<Uint8Array, void, undefined> {
  let timer: NodeJS.Timeout | undefined;
  let isLive = false;
  let hasChanged = false;
  try {
    for await (const { type, news, bytes } of frames) {
      yield bytes;
      yield NEWLINE;
      if (type === 'live') {
        isLive = true;
        timer ??= setTimeout(() => stop.abort(), wait * 1000);
      }
      hasChanged ||= news;
      if (isLive && hasChanged) return;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Chunks as the body of a response: each made when the client is ready for it. @param stop ends them when it has gone */
function streamOf(
  chunks: AsyncGenerator<Uint8Array, void, undefined>,
  stop: AbortController,
): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        stop.abort();
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
}
