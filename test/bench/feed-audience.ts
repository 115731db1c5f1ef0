/**
 * Many clients of the live feed in one process: each notes when it had which message, and reads no more of it than its
 * head, so that the measuring leaves the machine to what is measured.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** As much of a message as is read: its type and its positions. */
const HEAD = 80;

/** Longest wait for the last message, seconds. */
const PATIENCE = 60;

/** A message that tells of the positions after `from` up to and with `to`. */
interface Told {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** When each client had all of it, epoch milliseconds. */
  readonly arrivals: number[];
}

/** When an event with this position happened, or was recorded, epoch milliseconds. */
export type TimeOf = (position: number) => number | undefined;

export class Audience {
  readonly #sockets: Socket[] = [];
  readonly #told = new Map<string, Told>();
  /** The last position that each has heard of. */
  readonly #heard: number[] = [];
  /** How often some client was told that it is behind. */
  behind = 0;

  /** @param url of the program */
  async open(url: string, clients: number): Promise<void> {
    for (let n = 0; n < clients; n += 50) {
      await Promise.all(Array.from({ length: Math.min(50, clients - n) }, (_, m) => this.#join(url, n + m)));
    }
  }

  async #join(url: string, client: number): Promise<void> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    this.#sockets.push(socket);
    this.#heard[client] = 0;
    socket.write(
      `GET /live?topics=tasks HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
    );
    await new Promise<void>((resolve, reject) => {
      const read = messageReader(socket, (head, bytes) => {
        if (head.startsWith('{"type":"live"')) resolve();
        this.#take(client, head, bytes);
      });
      socket.on('data', read).on('error', reject);
    });
  }

  #take(client: number, head: string, bytes: number): void {
    if (head.startsWith('{"type":"behind"')) this.behind += 1;
    const [, from, to] = /^{"type":"changes","from":(\d+),"to":(\d+),/.exec(head) ?? [];
    if (from === undefined || to === undefined) return;
    this.#heard[client] = Number(to);
    const key = `${from} ${to}`;
    let told = this.#told.get(key);
    if (!told) {
      told = { from: Number(from), to: Number(to), bytes, arrivals: [] };
      this.#told.set(key, told);
    }
    told.arrivals.push(Date.now());
  }

  /** Resolves when everybody has heard of all up to this position. */
  async hear(position: number): Promise<void> {
    const until = Date.now() + PATIENCE * 1000;
    while (this.#heard.some((heard) => heard < position)) {
      if (Date.now() > until) throw new Error(`after ${PATIENCE} s some client has not heard of event ${position}`);
      await delay(20);
    }
  }

  /** Milliseconds from `timeOf` to each client, over all clients and all events after `after`. */
  latencies(after: number, timeOf: TimeOf): { readonly p50: number; readonly p99: number } {
    const histogram: number[] = [];
    let total = 0;
    for (const { from, to, arrivals } of this.#told.values()) {
      for (let position = Math.max(from, after) + 1; position <= to; position++) {
        const at = timeOf(position);
        if (at === undefined) continue;
        for (const arrival of arrivals) {
          const late = Math.max(0, Math.round(arrival - at));
          histogram[late] = (histogram[late] ?? 0) + 1;
        }
        total += arrivals.length;
      }
    }
    const at = (share: number): number => {
      let sum = 0;
      return histogram.findIndex((n = 0) => {
        sum += n;
        return sum >= total * share;
      });
    };
    return { p50: at(0.5), p99: at(0.99) };
  }

  /** Messages, and bytes, that each client had of positions after `after`. */
  volume(after: number): { readonly messages: number; readonly bytes: number } {
    const late = [...this.#told.values()].filter(({ to }) => to > after);
    const sum = (of: (told: Told) => number): number => late.reduce((all, told) => all + of(told), 0);
    const clients = this.#sockets.length;
    return {
      messages: sum(({ arrivals }) => arrivals.length) / clients,
      bytes: sum(({ arrivals, bytes }) => arrivals.length * bytes) / clients,
    };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Reads what a server sends: tells the head and the length of each text message once all of it is there. */
function messageReader(socket: Socket, onMessage: (head: string, bytes: number) => void): (chunk: Buffer) => void {
  /** The answer to the request comes first, and then what was begun and is too short to be understood. */
  let rest: Buffer = Buffer.alloc(0);
  let isOpen = false;
  let skip = 0;
  let message = { head: '', bytes: 0 };
  return (chunk) => {
    let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    rest = Buffer.alloc(0);
    while (data.length > 0) {
      if (skip > 0) {
        const taken = Math.min(skip, data.length);
        skip -= taken;
        data = data.subarray(taken);
        if (skip === 0) onMessage(message.head, message.bytes);
        continue;
      }
      const frame = isOpen ? frameAt(data) : null;
      const end = data.indexOf('\r\n\r\n');
      if (!isOpen && end >= 0) {
        isOpen = true;
        data = data.subarray(end + 4);
      } else if (frame === null || data.length < frame.start + Math.min(HEAD, frame.length)) {
        rest = data;
        return;
      } else if (frame.isText) {
        message = { head: data.toString('latin1', frame.start, frame.start + HEAD), bytes: frame.length };
        skip = frame.length;
        data = data.subarray(frame.start);
      } else {
        // A ping: an empty pong, masked as a client's frames are.
        socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
        data = data.subarray(frame.start + frame.length);
      }
    }
  };
}

/** RFC 6455, 5.2; null where it is not all there. */
function frameAt(data: Buffer): { readonly isText: boolean; readonly start: number; readonly length: number } | null {
  if (data.length < 10 && data.length < 2 + (data[1] ?? 0)) return null;
  const isText = data[0] === 0x81;
  const short = data[1] as number;
  if (short < 126) return { isText, start: 2, length: short };
  if (short === 126) return { isText, start: 4, length: data.readUInt16BE(2) };
  return { isText, start: 10, length: Number(data.readBigUInt64BE(2)) };
}
