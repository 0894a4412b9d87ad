import assert from 'node:assert/strict';
import { Cascade } from '../../src/cascade/cascade.js';
import { loggedRows, NULL_FLAG } from '../../src/cascade/log-rows.js';
import { createPhases } from '../../src/cascade/phases.js';
import { serveAll, smallConfig, smallSystem } from './support.js';

const EVENT = { name: 'misleading', scalar: -5, base: -2, bait: 0.9 };

const DRIFT = [
  { at: 0.25, events: [EVENT] },
  { at: 0.5, scalars: { cross_out: -12, misleading: -1 } },
  { at: 0.75, teacher: { noise: 0.5, bias: { ctr: 1 } } },
];

describe('drift', () => {
  it('switches at its request, of 200 training requests', () => {
    const phases = createPhases(smallConfig({ drift: DRIFT }));
    assert.deepEqual(
      phases.map(({ first, qualityVersion, teacherVersion }) => [first, qualityVersion, teacherVersion]),
      [
        [0, 0, 0],
        [50, 1, 0],
        [100, 2, 0],
        [150, 2, 1],
      ],
    );
    const scalars = phases.map((phase) => [phase.scalars[0], phase.scalars[5]]);
    assert.deepEqual(scalars, [
      [-1.5, Number.NaN],
      [-1.5, -1.25],
      [-3, -0.25],
      [-3, -0.25],
    ]);
    assert.deepEqual(phases[3]?.teacher, {
      noise: 0.5,
      adNoise: 0,
      sharedNoise: 0,
      bias: { ctr: 1, conversion: 0, quality: 0 },
    });
  });

  it('takes changes at one place together', () => {
    const phases = createPhases(
      smallConfig({
        drift: [
          { at: 0.5, events: [EVENT] },
          { at: 0.5, teacher: { noise: 0 } },
        ],
      }),
    );
    assert.deepEqual(
      phases.map(({ first, qualityVersion, teacherVersion }) => [first, qualityVersion, teacherVersion]),
      [
        [0, 0, 0],
        [100, 1, 1],
      ],
    );
  });

  it('adds an event to predictions, CQS and feedback from its request on', async () => {
    const system = smallSystem({ drift: DRIFT });
    const cascade = new Cascade(system);
    for (const served of await serveAll(system, { from: 40, to: 60, size: 64 })) {
      const before = served.retrieved.batch.first < 50;
      assert.equal(served.retrieved.batch.first, before ? 40 : 50);
      const { scores, values } = served.auction;
      assert.ok(scores.events[5]?.every((value) => Number.isNaN(value) === before));
      const known = scores.events.slice(0, 5).map((column) => column[0] ?? 0);
      const scalars = system.config.quality.events.map((event) => 0.25 * event.scalar);
      const old = known.reduce((sum, value, e) => sum + value * (scalars[e] ?? 0), 0);
      const expected = before ? old : old - 1.25 * (scores.events[5]?.[0] ?? 0);
      assert.ok(Math.abs((values.cqs[0] ?? 0) - expected) < 1e-6);
      const logged = await loggedRows(cascade, served, { final: 1, early: 1 });
      const shown = logged.events[5]?.filter((_, row) => logged.shown[row] === 1);
      assert.ok(shown?.every((flag) => (flag === NULL_FLAG) === before));
    }
  });

  it('replaces the final stage: other errors, and the bias', async () => {
    const clicks = async (drift: object[]) => {
      const system = smallSystem({ drift });
      const cascade = new Cascade(system);
      const [batch] = system.requests(160, 170);
      assert.ok(batch);
      const retrieved = await cascade.stages.retrieval.retrieve(batch);
      return (await cascade.score(retrieved)).scores.ctr.filter((value) => !Number.isNaN(value));
    };
    const logit = (p: number): number => Math.log(p / (1 - p));
    const old = await clicks([]);
    const replaced = await clicks([{ at: 0.75, teacher: { bias: { ctr: 1 } } }]);
    const differences = Array.from(replaced, (p, i) => logit(p) - logit(old[i] ?? 0));
    const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
    const deviation = Math.sqrt(differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / differences.length);
    assert.ok(Math.abs(mean - 1) < 5 * (deviation / Math.sqrt(differences.length)), `bias ${mean}`);
    assert.ok(Math.abs(deviation - 0.25 * Math.SQRT2) < 0.06, `independent errors: ${deviation}`);
  });
});

describe('the teacher', () => {
  const errors = async (teacher: object) => {
    const system = smallSystem({ teacher });
    const cascade = new Cascade(system);
    const found = { ctr: [] as number[], quality: [] as number[], ads: [] as number[] };
    const logit = (p: number): number => Math.log(p / (1 - p));
    for (const batch of system.requests(0, 60)) {
      const retrieved = await cascade.stages.retrieval.retrieve(batch);
      const { scores } = await cascade.score(retrieved);
      for (const [row, ctr] of scores.ctr.entries()) {
        if (Number.isNaN(ctr)) continue;
        found.ctr.push(logit(ctr) - (retrieved.truth.click[row] ?? 0));
        found.quality.push(logit(scores.events[0]?.[row] ?? 0) - (retrieved.truth.events[0]?.[row] ?? 0));
        found.ads.push(retrieved.ad[row] ?? 0);
      }
    }
    return found;
  };
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const correlation = (a: readonly number[], b: readonly number[]): number => {
    const [ma, mb] = [mean(a), mean(b)];
    const covariance = mean(a.map((value, i) => (value - ma) * ((b[i] ?? 0) - mb)));
    return (
      covariance / Math.sqrt(mean(a.map((value) => (value - ma) ** 2)) * mean(b.map((value) => (value - mb) ** 2)))
    );
  };

  it('errs by N(0, noise) on each head alone', async () => {
    const { ctr, quality } = await errors({});
    assert.ok(ctr.length > 2000);
    assert.ok(Math.abs(mean(ctr)) < 0.02);
    assert.ok(Math.abs(Math.sqrt(mean(ctr.map((value) => value * value))) - 0.25) < 0.015);
    assert.ok(Math.abs(correlation(ctr, quality)) < 0.08);
  });

  it('shares a part of the error between heads', async () => {
    const { ctr, quality } = await errors({ sharedNoise: 0.6 });
    assert.ok(Math.abs(Math.sqrt(mean(ctr.map((value) => value * value))) - 0.25) < 0.015);
    assert.ok(Math.abs(correlation(ctr, quality) - 0.6) < 0.08);
  });

  it('errs on an ad in every request alike', async () => {
    const { ctr, ads } = await errors({ noise: 0, adNoise: 0.4 });
    const byAd = new Map<number, number>();
    for (const [i, ad] of ads.entries()) {
      const error = ctr[i] ?? 0;
      assert.ok(Math.abs((byAd.get(ad) ?? error) - error) < 1e-3);
      byAd.set(ad, error);
    }
    assert.ok(Math.abs(Math.sqrt(mean([...byAd.values()].map((value) => value * value))) - 0.4) < 0.1);
  });
});
