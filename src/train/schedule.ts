/** Learning-rate schedules: a factor in [0, 1] of the base rate, a pure function of the step. */
import type { ScheduleConfig } from '../config/types.js';

/**
 * Factor of step `step` (from 0) in a run of `totalSteps`. With w warm-up steps, step s < w has (s + 1) / w; after it
 * t = (s − w) / d clipped to [0, 1], d = `decaySteps` or else the steps from the end of the warm-up to the last step:
 * linear 1 + (f − 1)·t, cosine f + (1 − f)·(1 + cos πt)/2, polynomial f + (1 − f)·(1 − t)^power, f = `finalFraction`.
 */
export function scheduleFactor(schedule: ScheduleConfig, step: number, totalSteps: number): number {
  const { kind, warmupSteps, finalFraction: end, power } = schedule;
  if (step < warmupSteps) {
    return (step + 1) / warmupSteps;
  }
  const decay = schedule.decaySteps ?? Math.max(1, totalSteps - 1 - warmupSteps);
  const t = Math.min(1, (step - warmupSteps) / decay);
  switch (kind) {
    case 'constant':
      return 1;
    case 'linear':
      return 1 + (end - 1) * t;
    case 'cosine':
      return end + (1 - end) * 0.5 * (1 + Math.cos(Math.PI * t));
    case 'polynomial':
      return end + (1 - end) * (1 - t) ** power;
  }
}

/** Learning rates of steps [firstStep, firstStep + steps). */
export function learningRates(
  base: number,
  schedule: ScheduleConfig,
  firstStep: number,
  steps: number,
  totalSteps: number,
): Float64Array {
  return Float64Array.from({ length: steps }, (_, i) => base * scheduleFactor(schedule, firstStep + i, totalSteps));
}
