/**
 * `npm test`: sets up what is missing, runs the C++ and the TypeScript tests, and sums what the runners report.
 *   node scripts/test.mjs [--full]      --full: the long tests of test/full and test/faults, and the CUDA kernels on an
 *   emulated device, too
 * The last line is `N passed, N failed` with `, N skipped` when some were.
 */
import { buildTypeScript, TESTS } from './lib/typescript.mjs';
import { setup } from './setup.mjs';

const full = process.argv.includes('--full');

async function main() {
  const status = await setup({ tests: true, emulated: full });
  if (status !== 0) return status;
  const { runGoogleTests, runMocha } = await import('./lib/runners.mjs');
  const compiled = await buildTypeScript(TESTS);
  const results = await Promise.all([
    runGoogleTests({ full }),
    compiled === 'failed'
      ? { passed: 0, failed: ['the tests do not compile (messages above)'], skipped: [] }
      : runMocha({ full }),
  ]);
  const failed = results.flatMap((result) => result.failed);
  const skipped = results.flatMap((result) => result.skipped);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  for (const test of skipped) console.log(`skipped: ${test.name} (${test.reason})`);
  for (const name of failed) console.log(`failed: ${name}`);
  const skippedPart = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
  console.log(`${passed} passed, ${failed.length} failed${skippedPart}`);
  return failed.length === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
