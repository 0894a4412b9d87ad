/** The package's version. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './runtime/load.js';

const description = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };

export const version = description.version;
