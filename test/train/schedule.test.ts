import assert from 'node:assert/strict';
import type { ScheduleConfig } from '../../src/config/types.js';
import { learningRates, scheduleFactor } from '../../src/train/schedule.js';

function schedule(kind: ScheduleConfig['kind'], rest: Partial<ScheduleConfig> = {}): ScheduleConfig {
  return { kind, warmupSteps: 0, finalFraction: 0, power: 1, ...rest };
}

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
}

describe('learning-rate schedules', () => {
  it('is constant', () => {
    assert.deepEqual([...learningRates(0.5, schedule('constant'), 3, 3, 10)], [0.5, 0.5, 0.5]);
  });

  it('warms up linearly to the full rate', () => {
    const rates = learningRates(1, schedule('constant', { warmupSteps: 4 }), 0, 6, 10);
    assert.deepEqual([...rates], [0.25, 0.5, 0.75, 1, 1, 1]);
  });

  it('decays linearly from the end of the warm-up to the last step', () => {
    const rates = learningRates(2, schedule('linear', { warmupSteps: 1, finalFraction: 0.5 }), 0, 6, 6);
    for (const [i, expected] of [2, 2, 1.75, 1.5, 1.25, 1].entries()) {
      close(rates[i] ?? Number.NaN, expected);
    }
  });

  it('follows half a cosine', () => {
    const cosine = schedule('cosine', { finalFraction: 0.2 });
    close(scheduleFactor(cosine, 0, 11), 1);
    close(scheduleFactor(cosine, 5, 11), 0.6);
    close(scheduleFactor(cosine, 10, 11), 0.2);
  });

  it('follows a polynomial', () => {
    const polynomial = schedule('polynomial', { power: 2 });
    close(scheduleFactor(polynomial, 5, 11), 0.25);
    close(scheduleFactor(polynomial, 10, 11), 0);
  });

  it('stays at the final fraction after decaySteps', () => {
    const linear = schedule('linear', { decaySteps: 4, finalFraction: 0.1 });
    close(scheduleFactor(linear, 2, 100), 0.55);
    close(scheduleFactor(linear, 4, 100), 0.1);
    close(scheduleFactor(linear, 90, 100), 0.1);
  });

  it('does not depend on how the steps are cut into chunks', () => {
    const cosine = schedule('cosine', { warmupSteps: 3 });
    const whole = learningRates(0.01, cosine, 0, 20, 20);
    const parts = [0, 7, 13].map((first, i) => learningRates(0.01, cosine, first, [7, 6, 7][i] ?? 0, 20));
    assert.deepEqual(
      [...whole],
      parts.flatMap((part) => [...part]),
    );
  });

  it('has a rate for a run of one step', () => {
    assert.deepEqual([...learningRates(1, schedule('linear'), 0, 1, 1)], [1]);
  });
});
