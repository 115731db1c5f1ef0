/** How a feed is connected to: its address with everything that is asked for, and what opens it. */
import type { FeedSubscription, WebSocketClass } from './feed-options.ts';

/** Longest wait for a ticket, milliseconds. */
const PATIENCE = 10_000;

/**
 * The address of `/live`. Throws where no ticket is given for the token.
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
    url.pathname = `${path}/api/ticket`;
    url.protocol = url.protocol.replace('ws', 'http');
    url.searchParams.set('ticket', await ticketFor(url.href, token));
  }
  url.pathname = `${path}/live`;
  url.protocol = url.protocol.replace('http', 'ws');
  const params = { q, cluster, topics: topics?.join(), events: events?.join(), after };
  for (const [name, value] of Object.entries(params)) if (value != null) url.searchParams.set(name, value);
  if (snapshot) url.searchParams.set('snapshot', 'true');
  return url.href;
}

/** Not every WebSocket can send a header, so the token is changed for a ticket, good once. */
async function ticketFor(url: string, token: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers, signal: AbortSignal.timeout(PATIENCE) });
  const text = await response.text();
  if (!response.ok) throw new Error(`no ticket is given (${response.status}): ${text.slice(0, 200)}`);
  return (JSON.parse(text) as { readonly ticket: string }).ticket;
}

export async function defaultWebSocket(): Promise<WebSocketClass> {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketClass };
  if (WebSocket) return WebSocket;
  return (await import('ws')).WebSocket as unknown as WebSocketClass;
}
