/** Options about who may do what: text as people write it → values. A failure's message completes "expected …". */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { z } from 'zod';
import { reading } from './option-values.ts';

/** What somebody may do: a viewer looks, an operator acts too. */
export const ROLES = ['viewer', 'operator'] as const;
export type Role = (typeof ROLES)[number];

/** What there is to get at. */
export const SURFACES = ['ui', 'api', 'live', 'metrics', 'health'] as const;
export type Surface = (typeof SURFACES)[number];

export const role = z.enum(ROLES, 'viewer or operator');

/** Somebody who may log in; the password only as what it is recognised by. */
export interface BasicLogin {
  readonly user: string;
  readonly role: Role;
  /** SHA-256 of `user:password`. */
  readonly hash: Buffer;
}

export const basicAuth: z.ZodType<BasicLogin, string> = reading('[role=]user:password', (text) => {
  const [, role = 'viewer', login = '', user = ''] = /^(?:(viewer|operator)=)?(([^:]+):.+)$/s.exec(text) ?? [];
  return user ? { user, role: role as Role, hash: sha256(login) } : undefined;
});

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

export const network: z.ZodType<Network, string> = reading('an address such as 10.1.2.3, or 10.0.0.0/8', (text) => {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : Number(bits);
  if (version === 0 || prefix > most) return undefined;
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
});

export const surfaces: z.ZodType<readonly Surface[], string> = reading(
  `of ${SURFACES.join(', ')} those that are meant, with commas between, or none`,
  (text) => {
    const names = text === 'none' ? [] : text.split(/\s*,\s*/);
    return names.every((name): name is Surface => (SURFACES as readonly string[]).includes(name)) ? names : undefined;
  },
);

export const headerName = reading('the name of a header, such as X-Forwarded-User', (text) =>
  /^[\w-]+$/.test(text) ? text.toLowerCase() : undefined,
);

/** An exact origin, as browsers send it. */
export const corsOrigin = reading('an origin such as https://ops.example.com, without a path and without *', (text) => {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  return /^https?:/.test(origin) && origin === text.toLowerCase() && !text.includes('*') ? origin : undefined;
});

/** `/celerycam`; `/` is no prefix: ''. */
export const urlPrefix = reading('a path such as /celerycam', (text) =>
  /^(\/[\w.~-]+)*\/?$/.test(text) && !/\/\.\.?(\/|$)/.test(text) ? text.replace(/\/$/, '') : undefined,
);

export const redactKey = reading('at least 16 characters', (text) => (text.length >= 16 ? text : undefined));

export const yes = reading('yes or no', (text) => {
  if (/^(yes|true|on|1)$/i.test(text)) return true;
  return /^(no|false|off|0)$/i.test(text) ? false : undefined;
});
