/** A certificate authority of a test's own, with a server's and a client's certificate. Needs openssl in the PATH. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface Certificates {
  readonly ca: Buffer;
  /** For `localhost`. */
  readonly server: KeyPair;
  readonly client: KeyPair;
}

export async function makeCertificates(): Promise<Certificates> {
  const directory = mkdtempSync(join(tmpdir(), 'celerycam-certificates-'));
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]): Promise<unknown> => exec('openssl', [...args], { cwd: directory });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const pair = async (name: string, extensions: string): Promise<KeyPair> => {
    writeFileSync(file(`${name}.ext`), extensions);
    await openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const issuer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    await openssl('x509', '-req', '-in', `${name}.csr`, ...issuer, '-extfile', `${name}.ext`, '-out', `${name}.crt`);
    return { cert: readFileSync(file(`${name}.crt`)), key: readFileSync(file(`${name}.key`)) };
  };
  try {
    await openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-days',
      '2',
      '-subj',
      '/CN=test authority',
    );
    return {
      ca: readFileSync(file('ca.crt')),
      server: await pair('server', 'subjectAltName = DNS:localhost\nextendedKeyUsage = serverAuth\n'),
      client: await pair('client', 'extendedKeyUsage = clientAuth\n'),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
