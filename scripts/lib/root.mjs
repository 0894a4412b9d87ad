import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's root folder. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
