import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

const PARSER = new URL('../../../scripts/lib/runners.mjs', import.meta.url).href;

interface Results {
  passed: number;
  failed: string[];
  skipped: { name: string; reason: string }[];
}

function parse(xml: string): Results {
  const script = `import { parseGoogleTest } from ${JSON.stringify(PARSER)};
    process.stdout.write(JSON.stringify(parseGoogleTest(process.argv[1])));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script, xml], { encoding: 'utf8' }));
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
});
