/** How a feed is connected to: its address with everything that is asked for, and what opens it. */
import { MonitorError, redactUrl } from '../errors.ts';
import { ApiClient } from './api-client.ts';
import type { FeedSubscription, WebSocketClass } from './feed-options.ts';

/** Longest wait for a ticket, milliseconds. */
const PATIENCE = 10_000;

/** The URL itself. @throws MonitorError CONFIG_INVALID where there can be no celerycam */
export function checkedUrl(url: string | URL): string {
  const text = String(url);
  if (URL.canParse(text) && /^(http|ws)s?:$/.test(new URL(text).protocol)) return text;
  const expected = 'expected that of celerycam, such as http://localhost:5555';
  throw new MonitorError('CONFIG_INVALID', `${redactUrl(text)} is no URL of a live feed: ${expected}`);
}

/**
 * The address of `/live`.
 * @throws MonitorError QUESTION_REFUSED, API_UNREACHABLE where no ticket is given for the token
 * @param base of celerycam, or of its `/live` @param after the cursor to go on from
 */
export async function feedAddress(
  base: string | URL,
  { q, cluster, topics, events, snapshot }: FeedSubscription,
  after: string | null,
  token: string | undefined,
): Promise<string> {
  const url = new URL(base);
  const path = url.pathname.replace(/\/(live)?$/, '');
  if (token !== undefined) {
    const api = new ApiClient({ url: `${url.origin.replace(/^ws/, 'http')}${path}`, token });
    url.searchParams.set('ticket', await ticketOf(api));
  }
  url.pathname = `${path}/live`;
  url.protocol = url.protocol.replace('http', 'ws');
  const params = { q, cluster, topics: topics?.join(), events: events?.join(), after };
  for (const [name, value] of Object.entries(params)) if (value != null) url.searchParams.set(name, value);
  if (snapshot) url.searchParams.set('snapshot', 'true');
  return url.href;
}

/** Not every WebSocket can send a header, so the token is changed for a ticket, good once. */
async function ticketOf(api: ApiClient): Promise<string> {
  const signal = AbortSignal.timeout(PATIENCE);
  return ((await api.ask('POST /api/ticket', {}, { signal })) as { readonly ticket: string }).ticket;
}

export async function defaultWebSocket(): Promise<WebSocketClass> {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketClass };
  if (WebSocket) return WebSocket;
  return (await import('ws')).WebSocket as unknown as WebSocketClass;
}
