/** Access tokens: 256 random bits each, shown once, and of which only a hash is kept. */
import { createHash, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { Role } from '../access-values.ts';
import { MonitorError } from '../errors.ts';
import { databaseError } from '../postgres.ts';

export interface TokenRow {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token. */
  readonly hash: Buffer;
  readonly created_at: Date;
  /** Null while it is good. */
  readonly revoked_at: Date | null;
}

/** All methods throw MonitorError DATABASE_UNREACHABLE where the database fails. */
export interface Tokens {
  /** A new token: the only time that anybody sees it. @throws MonitorError CONFIG_INVALID where the name is taken. */
  create(name: string, role: Role): Promise<string>;
  /** All, revoked ones too, oldest first. */
  list(): Promise<readonly TokenRow[]>;
  /** False where no token of that name is good. */
  revoke(name: string): Promise<boolean>;
}

const COLUMNS = ['name', 'role', 'hash', 'created_at', 'revoked_at'] as const;

export function createTokens(db: Knex): Tokens {
  return {
    async create(name, role) {
      const token = `ccam_${randomBytes(32).toString('base64url')}`;
      const row = { name, role, hash: createHash('sha256').update(token).digest() };
      const rows = await db('access_tokens')
        .insert(row)
        .onConflict(db.raw('(name) where revoked_at is null'))
        .ignore()
        .returning('id')
        .catch(rethrow);
      if (rows.length > 0) return token;
      throw new MonitorError(
        'CONFIG_INVALID',
        `there is a token called "${name}" already: revoke it, or take another name`,
      );
    },

    list: async () =>
      db<TokenRow>('access_tokens')
        .select(...COLUMNS)
        .orderBy('id')
        .catch(rethrow),

    async revoke(name) {
      const good = db('access_tokens').where({ name }).whereNull('revoked_at');
      return (await good.update({ revoked_at: db.fn.now() }).catch(rethrow)) > 0;
    },
  };
}

function rethrow(error: unknown): never {
  throw databaseError(error);
}
