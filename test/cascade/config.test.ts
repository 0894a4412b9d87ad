import assert from 'node:assert/strict';
import { loadSimulation, type SimulationInput } from '../../src/cascade/config.js';
import { planParts } from '../../src/cascade/parts.js';
import { createPhases } from '../../src/cascade/phases.js';
import { PRESET_NAMES } from '../../src/cascade/presets.js';

const EVENT = { name: 'cross_out', scalar: -1, base: -3 };

describe('the configuration of a simulation', () => {
  for (const preset of PRESET_NAMES) {
    it(`has the valid preset ${preset}`, () => {
      const config = loadSimulation({}, { preset });
      assert.ok(planParts(config).length >= 3);
    });
  }

  it('is the world of the paper by default', () => {
    const { world, cascade, quality, teacher, requests } = loadSimulation();
    assert.deepEqual([world.users, world.ads, world.factors], [4000, 1500, 8]);
    assert.deepEqual([cascade.retrieved, cascade.passed, cascade.shown], [300, 30, 2]);
    assert.deepEqual(
      quality.events.map(({ name, scalar }) => [name, scalar]),
      [
        ['cross_out', -6],
        ['hide', -4],
        ['report', -10],
        ['survey_good', 0.5],
        ['engaged_view', 0.45],
      ],
    );
    assert.deepEqual([teacher.noise, requests.train, requests.replay], [0.25, 20_000, 1500]);
  });

  it('logs ten million rows and more with the preset large', () => {
    const { requests, log, cascade } = loadSimulation({}, { preset: 'large' });
    assert.ok(requests.train * (log.final + log.early + cascade.shown) >= 10e6);
  });

  it('adds an event, changes scalars and replaces the teacher with the preset drift', () => {
    const phases = createPhases(loadSimulation({}, { preset: 'drift' }));
    assert.deepEqual(
      phases.map(({ first, qualityVersion, teacherVersion }) => [first, qualityVersion, teacherVersion]),
      [
        [0, 0, 0],
        [5000, 1, 0],
        [10_000, 2, 0],
        [15_000, 2, 1],
      ],
    );
  });

  it('goes from preset over file and settings to overrides', () => {
    const config = loadSimulation(
      { world: { users: 10 }, requests: { train: 7 } },
      { preset: 'large', set: ['requests.train=8', 'teacher.noise=0.5'], overrides: { requests: { train: 9 } } },
    );
    assert.deepEqual([config.world.users, config.world.ads], [10, 20_000]);
    assert.deepEqual([config.requests.train, config.teacher.noise], [9, 0.5]);
  });

  const wrong: [string, SimulationInput, RegExp][] = [
    ['an unknown key', { worlds: {} } as SimulationInput, /unknown key "worlds"\. Did you mean "?world/],
    ['more retrieved ads than launched', { world: { ads: 320, lateAds: 0.1 } }, /cascade\.retrieved: 300 .* only 288/],
    ['more shown than passed ads', { cascade: { shown: 31 } }, /cascade\.shown/],
    ['an event of the early stage that does not exist', { early: { events: ['hidee'] } }, /hidee.*hide/],
    ['an event twice', { drift: [{ at: 0.5, events: [EVENT] }] }, /drift\[0\]\.events\[0\]\.name: cross_out/],
    ['a scalar of no event', { drift: [{ at: 0, scalars: { hied: 1 } }] }, /drift\[0\]\.scalars\.hied/],
    ['drift out of order', { drift: [{ at: 0.5 }, { at: 0.4 }] }, /drift\[1\]\.at/],
    ['an odd number of factors', { world: { factors: 7 } }, /world\.factors/],
    ['a falling quality function', { auction: { f: { kind: 'affine', scale: -1 } } }, /auction\.f\.scale/],
    ['no share of any objective', { world: { objectives: { click: 0, postClick: 0, postImpression: 0 } } }, /share/],
  ];
  for (const [what, input, message] of wrong) {
    it(`refuses ${what}`, () => {
      assert.throws(() => loadSimulation(input), { code: 'CONFIG_INVALID', message });
    });
  }
});
