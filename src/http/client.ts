/** Who sent a request, and as what it asked for us: proxies that are trusted are believed, and nobody else. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Network } from '../access-values.ts';

/** What is believed of a request. */
export interface Client {
  /** Of the client itself, where trusted proxies tell. */
  readonly address: string;
  /** It came through a trusted proxy. */
  readonly proxied: boolean;
  /** Name and port by which the client asked for us, in lower case; '' where it did not say. */
  readonly host: string;
}

/** Tells the client of a request. */
export function clientReader(proxies: readonly Network[]): (request: IncomingMessage) => Client {
  const trusted = new BlockList();
  for (const { address, prefix, family } of proxies) trusted.addSubnet(address, prefix, family);
  const isTrusted = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 4 ? 'ipv4' : 'ipv6');
  };
  return ({ socket, headers }) => {
    const peer = plain(socket.remoteAddress ?? '');
    const host = (headers.host ?? '').toLowerCase();
    if (!isTrusted(peer)) return { address: peer, proxied: false, host };
    // Each proxy adds at the end whom it heard: the last that is no proxy of ours is the client.
    const hops = listOf(headers['x-forwarded-for']).map(plain);
    const address = hops.findLast((hop) => !isTrusted(hop));
    const asked = listOf(headers['x-forwarded-host'])[0]?.toLowerCase();
    return { address: address !== undefined && isIP(address) ? address : peer, proxied: true, host: asked ?? host };
  };
}

function listOf(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((line) => line.split(','))
    .map((part) => part.trim())
    .filter(Boolean);
}

/** An IPv4 address as such, also where it came in over IPv6, in brackets or with a port. */
function plain(address: string): string {
  const bare = address.replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1');
  return bare.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}
