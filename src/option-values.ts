/** What options may be: text as people write it → values. A failure's message completes the sentence "expected …". */
import { z } from 'zod';

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;
const BYTES = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 1024,
  m: 1e6,
  mb: 1e6,
  mib: 1024 ** 2,
  g: 1e9,
  gb: 1e9,
  gib: 1024 ** 3,
};

/** A schema from a function that returns undefined for what it does not understand. */
export function reading<T>(expected: string, read: (text: string) => T | undefined): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue(expected);
    return z.NEVER;
  });
}

function seconds(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?$/.exec(text);
  if (!match) return undefined;
  const value = Number(match[1]) * SECONDS[(match[2] ?? 's') as keyof typeof SECONDS];
  return value > 0 ? value : undefined;
}

/** A length of time → seconds. A bare number is seconds, as in Celery's settings. */
export const duration = reading('a time such as 1.5s, 30m, 12h or 7d', seconds);

/** A length of time → seconds, `never` → null. */
export const durationOrNever: z.ZodType<number | null, string> = reading<number | null>(
  'a time such as 30m, 12h or 7d, or never',
  (text) => (text === 'never' ? null : seconds(text)),
);

/** Celery's rate strings, `10/s`, `10/m`, `10/h` → times per second. */
export const rate = reading('a rate such as 10/s, 10/m or 10/h', (text) => {
  const match = /^(\d+(?:\.\d+)?)(?:\/(s|m|h))?$/.exec(text);
  if (!match || Number(match[1]) <= 0) return undefined;
  return Number(match[1]) / SECONDS[(match[2] ?? 's') as 's' | 'm' | 'h'];
});

/** A whole number between two bounds. */
export function count(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number, string> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return reading(`a whole number ${range}`, (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

/** A size, `64MB`, `512KiB` → bytes. */
export const bytes = reading('a size such as 64MB or 512KiB', (text) => {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text.toLowerCase());
  const unit = match?.[2] as keyof typeof BYTES | undefined;
  const value = match && unit !== undefined && unit in BYTES ? Math.round(Number(match[1]) * BYTES[unit]) : 0;
  return value > 0 ? value : undefined;
});

/** `postgres://…` as pg understands it, also from SQLAlchemy's and Django's spellings; `embedded` → null. */
export const databaseUrl = reading<string | null>('postgres://user:password@host/database, or embedded', (text) => {
  if (text === 'embedded') return null;
  const match = /^(?:postgres|postgresql|postgis|psql|pgsql)(?:\+\w+)?:(\/\/.*)$/.exec(text);
  return match ? `postgres:${match[1]}` : undefined;
});

/** One cluster's broker: its name and the URLs that are tried in turn. */
export interface BrokerUrl {
  readonly cluster: string;
  readonly urls: readonly string[];
}

/** `[name=]url[;url…]`, each URL read as Celery (kombu) reads it: missing parts are guest, localhost and `/`. */
export const brokerUrl: z.ZodType<BrokerUrl, string> = z.string().transform((text, context) => {
  const fail = (expected: string): never => {
    context.addIssue(expected);
    return z.NEVER;
  };
  const named = /^([^=:/]*)=(.*)$/.exec(text);
  const cluster = named?.[1] ?? 'default';
  if (!/^[\w.-]{1,64}$/.test(cluster)) return fail('name=url with a name of letters, digits, `_`, `.` and `-`');
  const urls: string[] = [];
  for (const part of (named?.[2] ?? text).split(';').filter(Boolean)) {
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(part)?.[1]?.toLowerCase();
    if (scheme === undefined) return fail('amqp://user:password@host:5672/vhost');
    if (!['amqp', 'pyamqp', 'amqps'].includes(scheme)) {
      return fail(`amqp:// or amqps://: brokers of type ${scheme} are not supported yet`);
    }
    const url = normalized(scheme === 'pyamqp' ? 'amqp' : scheme, part.slice(part.indexOf('://') + 3));
    if (!url) return fail('amqp://user:password@host:5672/vhost (write special characters of a password as %XX)');
    urls.push(url);
  }
  return urls.length > 0 ? { cluster, urls } : fail('amqp://user:password@host:5672/vhost');
});

/** `host:5672//` means virtual host `/` to Celery, an empty path means it too. Null when it is no URL. */
function normalized(scheme: string, rest: string): string | null {
  const match = /^(?:([^:@/?#]*)(?::([^/?#]*))?@)?(\[[^\]]*\]|[^:@/?#]*)(?::(\d*))?(?:\/([^?#]*))?(\?[^#]*)?$/.exec(
    rest,
  );
  if (!match) return null;
  const [, user, password, host, port, path, query = ''] = match;
  try {
    const vhost = encodeURIComponent(unquoted(path ?? '') || '/');
    const login = [user || 'guest', password ?? (user ? '' : 'guest')].map((part) =>
      encodeURIComponent(unquoted(part)),
    );
    const address = `${host || 'localhost'}:${port || (scheme === 'amqps' ? 5671 : 5672)}`;
    return new URL(`${scheme}://${login.join(':')}@${address}/${vhost}${query}`).href;
  } catch {
    return null;
  }
}

/** As Python's `unquote`: what is no %XX stays as it is. */
function unquoted(part: string): string {
  return part.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
