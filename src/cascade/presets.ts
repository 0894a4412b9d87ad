/** Named simulations: what they change of the defaults, which are the paper's world. */
import type { QualityEventInput, SimulationInput } from './config.js';

export const PRESET_NAMES = ['paper', 'large', 'drift'] as const;

export type PresetName = (typeof PRESET_NAMES)[number];

/** A quality event that is added in the middle of a stream. */
export const MISLEADING = {
  name: 'misleading',
  scalar: -5,
  base: -3.8,
  bait: 0.9,
  low: [0.3, 0.6],
  sensitivity: 0.4,
  match: -0.25,
} satisfies QualityEventInput;

/** Scalars after a change of what quality is worth. */
export const CHANGED_SCALARS = { cross_out: -9, hide: -2, survey_good: 0.8 };

export const PRESETS: Readonly<Record<PresetName, SimulationInput>> = {
  paper: {},
  /** Ten million rows and more: 260,000 training requests of 40 logged rows. */
  large: {
    world: { users: 200_000, ads: 20_000, lateAds: 0.1 },
    requests: { train: 260_000, eval: 10_000, replay: 1500, perSecond: 1 },
    log: { final: 14, early: 24 },
  },
  /** An event is added, scalars change, and the final stage is replaced, a quarter of the training stream each. */
  drift: {
    drift: [
      {
        at: 0.25,
        events: [MISLEADING],
      },
      { at: 0.5, scalars: CHANGED_SCALARS },
      { at: 0.75, teacher: { noise: 0.35, bias: { ctr: 0.2 } } },
    ],
  },
};
