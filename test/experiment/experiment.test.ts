import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExperimentOptions, resultRows, runExperiment } from '../../src/experiment/experiment.js';
import { writeReports } from '../../src/experiment/report.js';

const TINY = [
  'world.users=200',
  'world.ads=100',
  'cascade.retrieved=40',
  'cascade.passed=10',
  'requests.train=300',
  'requests.eval=40',
  'requests.replay=30',
];

describe('an experiment', function () {
  this.timeout(120_000);
  let folder: string;
  let options: ExperimentOptions;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-experiment-'));
    options = { studies: ['table1', 'table2'], seeds: 2, threads: 1, out: folder, set: TINY };
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('goes on where it was interrupted, in the middle of a run too', async () => {
    const stop = new AbortController();
    const started: string[] = [];
    const interrupted = runExperiment({
      ...options,
      signal: stop.signal,
      onStep: ({ title }) => {
        started.push(title);
        if (title === 'seed 1: train multi-task') stop.abort();
      },
    });
    await assert.rejects(interrupted, { code: 'CANCELLED' });
    assert.deepEqual([started[0], started.at(-1)], ['seed 1: simulate', 'seed 1: train multi-task']);
    const done = new Set(started.slice(0, -1));
    const rest: string[] = [];
    await runExperiment({
      ...options,
      onStep: ({ title }) => {
        if (!rest.includes(title)) rest.push(title);
      },
    });
    assert.equal(rest[0], 'seed 1: train multi-task');
    assert.deepEqual(
      rest.filter((title) => done.has(title)),
      [],
    );
    assert.deepEqual(rest.slice(-2), ['seed 2: train multi-task', 'seed 2: judge']);
  });

  it('repeats its figures from the same seeds, and trains shared runs once', async () => {
    const runs = await readdir(join(folder, 'runs'));
    assert.equal(runs.length, 2 * 6, 'six runs a seed for both tables');
    const again = await mkdtemp(join(tmpdir(), 'prerank-experiment-'));
    try {
      const one = { ...options, studies: ['table2'], seeds: 1 };
      const first = await runExperiment({ ...one, out: again });
      const second = await runExperiment({ ...one, out: join(again, 'second') });
      assert.deepEqual(resultRows(second), resultRows(first));
    } finally {
      await rm(again, { recursive: true, force: true });
    }
  });

  it('leaves reports', async () => {
    const result = await runExperiment(options);
    assert.equal(result.steps, 0, 'everything is there');
    const files = await writeReports(result, folder);
    assert.deepEqual(Object.values(files).map(existsSync), [true, true, true]);
    const { rows } = JSON.parse(await readFile(files.json, 'utf8'));
    assert.equal(rows.length, resultRows(result).length);
    for (const key of ['table', 'row', 'metric', 'paper', 'ours', 'low', 'high', 'p', 'required', 'holds']) {
      assert.ok(key in rows[0], key);
    }
  });

  it('refuses what it does not know', async () => {
    await assert.rejects(runExperiment({ ...options, studies: ['tabel1'] }), { code: 'USAGE', message: /table1/ });
    await assert.rejects(runExperiment({ ...options, set: ['seed=3'] }), { code: 'USAGE' });
    await assert.rejects(runExperiment({ ...options, set: ['world.user=3'] }), { code: 'CONFIG_INVALID' });
  });
});
