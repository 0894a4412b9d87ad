/**
 * Mocha reporter: mocha's own readable `spec` output, and the results as JSON in the file of reporter option `output`.
 * A skipped test gives its reason in `skipReason` of itself or of a suite around it (test/support/skip.ts sets it).
 */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;

function skipReason(runnable) {
  for (let at = runnable; at; at = at.parent) if (at.skipReason) return at.skipReason;
  return 'no reason given';
}

export default class SpecAndJson extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const results = { passed: 0, failed: [], skipped: [] };
    runner.on(EVENT_TEST_PASS, () => {
      results.passed += 1;
    });
    runner.on(EVENT_TEST_FAIL, (test) => results.failed.push(test.fullTitle()));
    runner.on(EVENT_TEST_PENDING, (test) => {
      results.skipped.push({ name: test.fullTitle(), reason: skipReason(test) });
    });
    runner.once(EVENT_RUN_END, () => {
      writeFileSync(options.reporterOptions.output, JSON.stringify(results));
    });
  }
}
