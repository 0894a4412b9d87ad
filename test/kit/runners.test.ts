import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';

const script = (name: string): string => JSON.stringify(new URL(`../../../scripts/lib/${name}`, import.meta.url).href);

interface Results {
  passed: number;
  failed: string[];
  skipped: { name: string; reason: string }[];
}

function parse(xml: string): Results {
  const code = `import { parseGoogleTest } from ${script('runners.mjs')};
    process.stdout.write(JSON.stringify(parseGoogleTest(process.argv[1])));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code, xml], { encoding: 'utf8' }));
}

/** Runs test files in two processes: what they print, and what is counted. */
async function runFiles(files: readonly string[]): Promise<{ printed: string; results: Results }> {
  const code = `import { runTestFiles } from ${script('mocha-pool.mjs')};
    const results = await runTestFiles(process.argv.slice(1), { timeout: 500, workers: 2 });
    console.log('RESULTS' + JSON.stringify(results));`;
  const args = ['--input-type=module', '-e', code, ...files];
  const { stdout } = await promisify(execFile)(process.execPath, args, { encoding: 'utf8' });
  const [printed = '', results = ''] = stripVTControlCharacters(stdout).split('RESULTS');
  return { printed, results: JSON.parse(results) as Results };
}

describe('test summary', () => {
  it('reads passed, failed, skipped and disabled tests from a GoogleTest report', () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="1" errors="0" time="0" name="AllTests">
  <testsuite name="A" tests="4">
    <testcase name="Passes" status="run" result="completed" time="0" classname="A" />
    <testcase name="Fails" status="run" result="completed" classname="A">
      <failure message="a.cc:3&#x0A;why" type=""><![CDATA[a.cc:3]]></failure>
    </testcase>
    <testcase name="Skips" status="run" result="skipped" classname="A">
      <skipped message="a.cc:2&#x0A;needs &gt; 1 core&#x0A;"><![CDATA[a.cc:2]]></skipped>
    </testcase>
    <testcase name="DISABLED_Off" status="notrun" result="suppressed" classname="A" />
  </testsuite>
</testsuites>`;
    assert.deepEqual(parse(xml), {
      passed: 1,
      failed: ['A.Fails'],
      skipped: [
        { name: 'A.Skips', reason: 'needs > 1 core' },
        { name: 'A.DISABLED_Off', reason: 'disabled' },
      ],
    });
  });

  it('counts nothing in an empty report', () => {
    assert.deepEqual(parse(''), { passed: 0, failed: [], skipped: [] });
  });

  describe('of test files in several processes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'prerank-runners-'));
    after(() => rmSync(folder, { recursive: true }));

    function write(name: string, code: string): string {
      const path = join(folder, name);
      writeFileSync(path, code);
      return path;
    }

    it('counts every test once, names failures, and gives the reasons of skipped ones', async () => {
      const files = Array.from({ length: 5 }, (_, i) =>
        write(
          `mixed-${i}.mjs`,
          `describe('file ${i}', () => {
            it('passes', () => {});
            it('passes later', () => new Promise((resolve) => setTimeout(resolve, 20)));
            it('fails', () => { throw new Error('no'); });
            it('takes too long', () => new Promise(() => {}));
            it('is skipped', function () { this.test.skipReason = 'no need'; this.skip(); });
          });`,
        ),
      );
      const { printed, results } = await runFiles(files);
      assert.equal(results.passed, 10);
      const expected = files.flatMap((_, i) => [`file ${i} fails`, `file ${i} takes too long`]);
      assert.deepEqual(results.failed.sort(), expected);
      assert.deepEqual(
        results.skipped.sort((a, b) => (a.name < b.name ? -1 : 1)),
        files.map((_, i) => ({ name: `file ${i} is skipped`, reason: 'no need' })),
      );
      assert.match(printed, /file 3\n {4}✔ passes\n {4}✔ passes later[^\n]*\n {4}1\) fails\n/);
    });

    it('counts a crash and a file that cannot be loaded, and runs the rest', async () => {
      const { results } = await runFiles([
        write('crash.mjs', `it('before', () => {}); it('crashes', () => process.kill(process.pid, 'SIGSEGV'));`),
        write('broken.mjs', `import './not-there.mjs'; it('never', () => {});`),
        write(
          'hook.mjs',
          `describe('hook', () => { before(() => { throw new Error('no'); }); it('never', () => {}); });`,
        ),
        write('exits.mjs', `it('exits', () => process.exit(0));`),
        ...Array.from({ length: 4 }, (_, i) => write(`fine-${i}.mjs`, `it('fine', () => {});`)),
      ]);
      assert.equal(results.passed, 5);
      const [broken, crash, exits, hook, ...more] = results.failed.sort((a, b) =>
        a.slice(-20) < b.slice(-20) ? -1 : 1,
      );
      assert.deepEqual(more, []);
      const all = [broken, crash, exits, hook].join('\n');
      assert.match(all, /broken\.mjs cannot be loaded: Cannot find module/);
      assert.match(all, /crash\.mjs: its process ended with status 139/);
      assert.match(all, /exits\.mjs: its process ended with status 0/);
      assert.match(all, /hook "before all" hook/);
    });

    it('counts what keeps a process from ending well after its tests', async () => {
      const { results } = await runFiles([
        write('late.mjs', `it('passes', () => { process.on('exit', () => { process.exitCode = 3; }); });`),
      ]);
      assert.equal(results.passed, 1);
      assert.deepEqual(results.failed, ['mocha ended with status 3 after its last file']);
    });
  });
});
