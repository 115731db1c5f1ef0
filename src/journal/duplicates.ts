/** Tells what of a batch is recorded already: a broker delivers again what was not acknowledged. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { DeadLetter, Event, ReceivedEvent, Seconds } from '../domain/event.ts';
import { storableText } from '../postgres-text.ts';
import { bodyOf, hostnameOf, identityOf, timestampOf, uuidOf } from './rows.ts';

/**
 * The batch without events that are in the journal or stand earlier in the batch. Only those that the broker flagged
 * are looked at, unless `all` are suspect. Whoever calls holds the head, so nobody appends meanwhile.
 */
export async function leaveOutDuplicates(
  client: pg.Client,
  batch: readonly ReceivedEvent[],
  all: boolean,
): Promise<readonly ReceivedEvent[]> {
  const isSuspect = ({ redelivered }: ReceivedEvent): boolean => all || redelivered;
  const known = await recordedIdentities(client, batch.filter(isSuspect));
  return batch.filter((received) => {
    const identity = keyOf(received.cluster, received.event, bodyOf(received));
    if (isSuspect(received) && known.has(identity)) return false;
    known.add(identity);
    return true;
  });
}

function keyOf(cluster: string, event: Event, body: string): string {
  return `${cluster} ${identityOf(event, body)}`;
}

/** Of all recorded events that may be one of these, the identities. Three indexed queries at most. */
async function recordedIdentities(client: pg.Client, suspects: readonly ReceivedEvent[]): Promise<Set<string>> {
  const tasks = new Set<string>();
  const senders: { readonly hostname: string; readonly timestamp: number }[] = [];
  const others: string[] = [];
  for (const received of suspects) {
    const uuid = uuidOf(received.event);
    const hostname = hostnameOf(received.event);
    const timestamp = timestampOf(received.event);
    if (uuid !== null) tasks.add(uuid);
    else if (hostname !== null && timestamp !== null) senders.push({ hostname, timestamp });
    else others.push(bodyOf(received));
  }
  // By the indexes, whatever Postgres believes of a partition that has no statistics yet.
  if (suspects.length > 0) await client.query('set local enable_seqscan = off');
  const known = new Set<string>();
  const look = async (some: boolean, query: string, ...values: readonly unknown[][]): Promise<void> => {
    if (!some) return;
    const { rows } = await client.query<{ cluster: string; body: string }>(query, [...values]);
    for (const { cluster, body } of rows) known.add(keyOf(cluster, JSON.parse(body), body));
  };
  await look(tasks.size > 0, 'select cluster, body from events where uuid = any($1::text[])', [...tasks]);
  await look(
    senders.length > 0,
    `select cluster, body from unnest($1::text[], $2::float8[]) as sent (host, at)
      cross join lateral (select * from events where uuid is null and hostname = host and "timestamp" = at offset 0) as e`,
    senders.map(({ hostname }) => hostname),
    senders.map(({ timestamp }) => timestamp),
  );
  await look(
    others.length > 0,
    // Events without a sender or a time are few: the index finds them as nulls.
    `select cluster, body from events
      where uuid is null and (hostname is null or "timestamp" is null) and body = any($1::text[])`,
    others,
  );
  return known;
}

/**
 * How long before the latest dead letter of its cluster one that comes again was received at most: RabbitMQ takes a
 * message back that was not acknowledged for half an hour.
 */
const AGAIN: Seconds = 3600;

/**
 * The dead letters without those that are recorded already, in whole or as the same elements of a list. Of messages that
 * were no events there is nothing to tell one from another but their bytes; where redaction keeps none, rather twice than
 * not at all. Only those that the broker flagged are looked at, unless `all` are suspect.
 */
export async function leaveOutRecorded(
  client: pg.Client,
  letters: readonly DeadLetter[],
  all: boolean,
): Promise<readonly DeadLetter[]> {
  const suspects = new Map<DeadLetter, string>();
  for (const letter of letters) {
    if ((all || letter.redelivered) && letter.body.length > 0) suspects.set(letter, digestOf(letter));
  }
  if (suspects.size === 0) return letters;
  const clusters = new Set<string>();
  const lengths = new Set<number>();
  for (const { cluster, body } of suspects.keys()) {
    clusters.add(cluster);
    lengths.add(body.length);
  }
  // A length is known without reading the body, which may be long.
  const { rows } = await client.query<{ cluster: string; routing_key: string; digest: string }>(
    `select d.cluster, d.routing_key, encode(sha256(d.body), 'hex') as digest
      from unnest($1::text[]) as c (name) cross join lateral (
        select received_at from dead_letters where cluster = name order by received_at desc limit 1) as latest
      join dead_letters d on d.cluster = c.name and d.received_at >= latest.received_at - interval '${AGAIN} s'
      where octet_length(d.body) = any($2::int[]) and sha256(d.body) = any($3::bytea[])`,
    [[...clusters], [...lengths], Array.from(suspects.values(), (digest) => Buffer.from(digest, 'hex'))],
  );
  const known = new Set(rows.map(({ cluster, routing_key, digest }) => letterKey(cluster, routing_key, digest)));
  return letters.filter((letter) => {
    const digest = suspects.get(letter);
    return digest === undefined || !known.has(letterKey(letter.cluster, storableText(letter.routing_key), digest));
  });
}

function digestOf({ body }: DeadLetter): string {
  return createHash('sha256').update(body).digest('hex');
}

function letterKey(cluster: string, routingKey: string, digest: string): string {
  return JSON.stringify([cluster, routingKey, digest]);
}
