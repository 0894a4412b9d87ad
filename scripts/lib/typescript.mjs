/** TypeScript builds with stamps, so that nothing is compiled twice and no stale output stays behind. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';
import { ROOT } from './root.mjs';
import { filesUnder, hashFiles, isStamped, writeStamp } from './stamp.mjs';

/**
 * Compiles a project into its (freshly emptied) folder unless it is up to date.
 * @param {{project: string, output: string, sources: string[]}} options paths relative to the root
 * @returns {Promise<'up to date' | 'built' | 'failed'>}
 */
export async function buildTypeScript({ project, output, sources }) {
  const files = [
    ...['package.json', 'package-lock.json', 'tsconfig.json', project].map((name) => join(ROOT, name)),
    ...sources.flatMap((source) => filesUnder(join(ROOT, source))),
  ];
  const hash = hashFiles(ROOT, files, [process.version]);
  const stamp = join(ROOT, output, '.stamp');
  if (isStamped(stamp, hash)) return 'up to date';
  rmSync(join(ROOT, output), { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  if ((await run(process.execPath, [tsc, '-p', join(ROOT, project)], { cwd: ROOT })) !== 0) return 'failed';
  writeStamp(stamp, hash);
  return 'built';
}

/** The library: src → dist. */
export const LIBRARY = { project: 'tsconfig.json', output: 'dist', sources: ['src'] };

/** Library and tests: src, test → build-test. */
export const TESTS = { project: 'tsconfig.test.json', output: 'build-test', sources: ['src', 'test'] };
