import assert from 'node:assert/strict';
import { adQuality, type TotalValueInputs, totalValues } from '../../src/auction/total-value.js';

function inputs(rest: Partial<TotalValueInputs> = {}): TotalValueInputs {
  return {
    ctr: Float64Array.of(0.1, 0.2, 0.4),
    cqs: Float64Array.of(-0.5, 0, 1),
    bid: Float64Array.of(10, 5, 2),
    objective: Uint32Array.of(0, 1, 2),
    cvr: Float64Array.of(Number.NaN, 0.5, Number.NaN),
    vtr: Float64Array.of(Number.NaN, Number.NaN, 0.3),
    ...rest,
  };
}

describe('total value', () => {
  it('takes the action rate by objective and adds f(CQS)', () => {
    const values = totalValues({ form: 'additive', f: { kind: 'affine', scale: 2, shift: 1 } }, inputs());
    assert.deepEqual(
      [...values].map((value) => Number(value.toFixed(12))),
      [1, 1.5, 3.6],
    );
  });

  it('multiplies in the multiplicative form', () => {
    const values = totalValues({ form: 'multiplicative', f: { kind: 'identity' } }, inputs());
    assert.deepEqual(
      [...values].map((value) => Number(value.toFixed(12))),
      [-0.5, 0, 0.6],
    );
  });

  it('is bid · pCTR without objective and CQS', () => {
    const values = totalValues({ form: 'additive', f: { kind: 'identity' } }, inputs({ cqs: null, objective: null }));
    assert.deepEqual([...values], [1, 1, 0.8]);
  });

  it('is NaN where an input is missing', () => {
    const auction = { form: 'additive', f: { kind: 'identity' } } as const;
    const given = inputs({ cvr: null, bid: Float64Array.of(1, 1, Number.NaN) });
    assert.deepEqual([...totalValues(auction, given)], [-0.4, Number.NaN, Number.NaN]);
  });

  it('clamps and interpolates the quality', () => {
    const clamp = { kind: 'clamp', min: -1, max: 1 } as const;
    assert.deepEqual(
      [-2, 0.5, 3].map((x) => adQuality(clamp, x)),
      [-1, 0.5, 1],
    );
    const knots = {
      kind: 'piecewiseLinear',
      knots: [
        [-1, 0],
        [0, 1],
        [2, 2],
      ],
    } as const;
    assert.deepEqual(
      [-5, -1, -0.5, 0, 1, 2, 9].map((x) => adQuality(knots, x)),
      [0, 0, 0.5, 1, 1.5, 2, 2],
    );
  });
});
