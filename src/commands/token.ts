/** `celerycam token`: who may log in with a token. */
import { role } from '../access-values.ts';
import { MonitorError } from '../errors.ts';
import type { Database } from '../store/database.ts';
import { migrateUp } from '../store/migrate.ts';
import { createTokens, type TokenRow } from '../store/tokens.ts';

/**
 * Does it and prints the result. @param given the role of a new token, as it was typed
 * @throws MonitorError CONFIG_INVALID for a role or name that cannot be, a name that is taken or not known.
 */
export async function token(
  database: Database,
  action: 'create' | 'list' | 'revoke',
  name: string,
  given: unknown,
): Promise<void> {
  const wanted = role.safeParse(given);
  if (action === 'create' && !wanted.success) {
    throw new MonitorError('CONFIG_INVALID', `--role: got "${String(given)}", expected viewer or operator`);
  }
  if (action !== 'list' && !/^[\w.@ -]{1,64}$/.test(name)) {
    throw new MonitorError('CONFIG_INVALID', '--name: expected 1 to 64 letters, digits, blanks, `.`, `_`, `@` and `-`');
  }
  await migrateUp(database);
  const tokens = createTokens(database.knex);
  switch (action) {
    case 'create':
      process.stdout.write(`${await tokens.create(name, wanted.data ?? 'viewer')}\n`);
      process.stderr.write('Keep it: it is shown this once. From now on celerycam asks for a login.\n');
      return;
    case 'list':
      for (const row of await tokens.list()) process.stdout.write(`${lineOf(row)}\n`);
      return;
    case 'revoke':
      if (!(await tokens.revoke(name))) {
        throw new MonitorError('CONFIG_INVALID', `there is no token called "${name}"; \`celerycam token list\` tells`);
      }
      process.stdout.write(`revoked ${name}\n`);
  }
}

function lineOf({ name, role, created_at, revoked_at }: TokenRow): string {
  const until = revoked_at ? `, revoked ${revoked_at.toISOString()}` : '';
  return `${name}\t${role}\tcreated ${created_at.toISOString()}${until}`;
}
