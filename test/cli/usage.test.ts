import assert from 'node:assert/strict';
import { PrerankError } from '../../src/base/errors.js';
import { formatError } from '../../src/cli/output.js';
import { prerank, runPrerank } from '../support/sample-run.js';

describe('the command line', () => {
  for (const command of ['ingest', 'train', 'evaluate', 'predict', 'ab', 'importance', 'inspect', 'doctor']) {
    it(`has help for ${command}`, async () => {
      const { status, stdout } = await runPrerank(command, '--help');
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`Usage: prerank ${command}`));
      assert.match(stdout, /--json/);
      assert.match(stdout, /Exit codes: 0 success, 1 failure, 2 wrong usage or bad input, 130 interrupted/);
    });
  }

  it('has help and a version', () => {
    assert.equal(prerank('--help').status, 0);
    assert.match(prerank('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('exits with 2 for wrong usage', async () => {
    for (const args of [[], ['fly'], ['train'], ['train', 'x.yaml', '--fly'], ['train', 'x.yaml', '--threads', '0']]) {
      const { status, stdout, stderr } = await runPrerank(...args);
      assert.equal(status, 2, args.join(' '));
      assert.equal(stdout, '');
      assert.notEqual(stderr, '');
    }
  });

  it('exits with 2 and says why for a folder that holds no run', async () => {
    for (const args of [
      ['evaluate', '/nowhere'],
      ['predict', '/nowhere', 'x.parquet', '--out', '/tmp/x.parquet'],
    ]) {
      const { status, stderr } = await runPrerank(...args);
      assert.equal(status, 2);
      assert.match(stderr, /error \[RUN_NOT_FOUND\]: \/nowhere is no run/);
    }
  });

  it('prints one JSON object for an error with --json', async () => {
    const { status, stdout, stderr } = await runPrerank('train', '/nowhere.yaml', '--json');
    assert.equal(status, 2);
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'CONFIG_INVALID');
    assert.match(stderr, /error \[CONFIG_INVALID\]/);
  });

  it('shows where, and a stack only of unexpected errors with --verbose', () => {
    const known = new PrerankError('DATA_INVALID', 'bad', {
      file: 'a.parquet',
      row: 3,
      column: 'c',
      path: 'data.train',
    });
    assert.equal(
      formatError(known, true),
      'error [DATA_INVALID]: bad\n  where: file a.parquet, row 3, column c, config data.train',
    );
    assert.equal(formatError(new Error('oops'), false), 'error [INTERNAL]: oops (--verbose shows where)');
    assert.match(formatError(new Error('oops'), true), /usage\.test/);
  });
});
