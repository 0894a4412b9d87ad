import assert from 'node:assert/strict';
import { nonFiniteError } from '../../src/train/non-finite.js';

describe('the error of a refused step', () => {
  const run = { root: 'runs/a', tasks: ['ctr', 'cqs'], checkpoint: 'runs/a/checkpoints/step-4' };

  it('names step, tasks, rows and the last checkpoint', () => {
    const error = nonFiniteError({ step: 7, tasks: [1], rows: [11, 12, 13, 14, 15, 16] }, run);
    assert.equal(error.code, 'NON_FINITE');
    assert.equal(
      error.message,
      'the loss of cqs is not finite at step 7 (first rows of the training data: 11, 12, 13, 14, 15); the last good ' +
        'checkpoint is runs/a/checkpoints/step-4. Lower the learning rates or clip gradients (training.clip.norm), ' +
        'or look at these rows',
    );
    assert.deepEqual(error.where, { file: 'runs/a', row: 11 });
  });

  it('says so when only a gradient is not finite', () => {
    const error = nonFiniteError({ step: 7, tasks: [], rows: [] }, { ...run, checkpoint: null });
    assert.equal(
      error.message,
      'a gradient (every loss is finite) is not finite at step 7; no checkpoint was written yet. ' +
        'Lower the learning rates or clip gradients (training.clip.norm)',
    );
  });
});
