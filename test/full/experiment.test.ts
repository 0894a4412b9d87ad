import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requiredHold, resultRows, runExperiment } from '../../src/experiment/experiment.js';

/** A smaller world, in which an ad is seen about as often as in the paper preset. */
const SMALLER = [
  'world.users=1500',
  'world.ads=600',
  'cascade.retrieved=150',
  'cascade.passed=20',
  'requests.train=6000',
  'requests.eval=1500',
  'requests.replay=500',
];

describe('an experiment on two seeds of a smaller world', function () {
  // A minute or two on two cores of its own.
  this.timeout(900_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-experiment-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('shows the three strongest effects of the paper', async () => {
    const result = await runExperiment({ studies: ['table1', 'table3'], seeds: 2, out: folder, set: SMALLER });
    const rows = resultRows(result);
    const effects = [
      ['table3', 'without augmentation', 'softRecall'],
      ['table3', 'without teacher', 'ne'],
      ['table1', 'CQS model', 'softRecall'],
    ];
    for (const [table, name, metric] of effects) {
      const row = rows.find(
        (candidate) => candidate.table === table && candidate.row === name && candidate.metric === metric,
      );
      assert.equal(row?.holds, true, `${table} ${name} ${metric}: ${JSON.stringify(row)}`);
      assert.equal(row?.seeds.length, 2);
    }
    const hold = rows.filter(({ required }) => required).every(({ holds }) => holds);
    assert.equal(requiredHold(result), hold);
  });
});
