/**
 * A process that runs test files one after the other, as its parent (mocha-pool.mjs) names them. Each result goes to the
 * parent when its test ends, so that a crash loses none; what mocha's `spec` reporter prints goes to stdout, with a mark
 * after each file. `node mocha-worker.mjs TIMEOUT_MS`
 * A skipped test gives its reason in `skipReason` of itself or of a suite around it (test/support/skip.ts sets it).
 */
import Mocha from 'mocha';
import { END_OF_FILE } from './mocha-pool.mjs';

const { EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;
const timeout = Number(process.argv[2]);

function skipReason(runnable) {
  for (let at = runnable; at; at = at.parent) if (at.skipReason) return at.skipReason;
  return 'no reason given';
}

class SpecAndMessages extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const send = (result, test) => process.send({ result, name: test.fullTitle() });
    runner.on(EVENT_TEST_PASS, (test) => send('passed', test));
    runner.on(EVENT_TEST_FAIL, (test) => send('failed', test));
    runner.on(EVENT_TEST_PENDING, (test) => {
      process.send({ result: 'skipped', name: test.fullTitle(), reason: skipReason(test) });
    });
  }
}

async function runFile(path) {
  const mocha = new Mocha({ timeout, reporter: SpecAndMessages });
  mocha.addFile(path);
  try {
    await mocha.loadFilesAsync();
    await new Promise((resolve) => {
      mocha.run(resolve);
    });
  } catch (error) {
    console.log(error);
    process.send({ result: 'failed', name: `${path} cannot be loaded: ${error.message}` });
  }
  process.stdout.write(END_OF_FILE);
  process.send({ result: 'ready' });
}

process.on('message', (path) => {
  if (path === null) process.disconnect();
  else runFile(path);
});
process.send({ result: 'ready' });
