/** How the losses of tasks become one. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config/load.js';
import { assembleModel } from '../../src/train/assemble.js';
import { FEATURES } from '../models/fixtures.js';

describe('the total of the losses', () => {
  const weights = (lossReduce: 'sum' | 'mean' | undefined, kind: 'esmm' | 'aitm'): [string, number][] => {
    const config = loadConfig({
      data: {
        train: 'log.parquet',
        columns: { click: 'c', conversion: 'b' },
        features: [{ name: 'country', kind: 'categorical' }],
      },
      model: { kind, ...(kind === 'aitm' ? { calibrator: 0.6 } : {}) },
      tasks: { ctr: { weight: 3 }, cvr: {}, ctcvr: {} },
      training: lossReduce === undefined ? {} : { lossReduce },
    });
    const { plan } = assembleModel(config, FEATURES).training;
    return plan.tasks.map(({ name, weight }) => [name, weight]);
  };

  it('is their sum, or divided by the number of tasks that have one', () => {
    const sum = [
      ['ctr', 3],
      ['cvr', 0],
      ['ctcvr', 1],
    ];
    assert.deepEqual(weights(undefined, 'esmm'), sum);
    assert.deepEqual(weights('sum', 'esmm'), sum);
    assert.deepEqual(weights('mean', 'esmm'), [
      ['ctr', 1.5],
      ['cvr', 0],
      ['ctcvr', 0.5],
    ]);
    assert.deepEqual(weights('mean', 'aitm'), [
      ['ctr', 1.5],
      ['ctcvr', 0.5],
      ['calibrator.ctcvr', 0.6],
    ]);
  });
});
