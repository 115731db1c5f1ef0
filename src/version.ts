/** The version of this package. */
import { createRequire } from 'node:module';

const own = createRequire(import.meta.url)('celerycam/package.json') as { readonly version: string };

export const VERSION: string = own.version;
