import assert from 'node:assert/strict';
import { expectedFeedback } from '../../src/cascade/feedback.js';
import { serveAll, smallSystem } from './support.js';

/** Observed count against a sum of independent chances: within five standard deviations. */
function assertPlausible(observed: number, probabilities: readonly number[], what: string): void {
  const mean = probabilities.reduce((sum, p) => sum + p, 0);
  const variance = probabilities.reduce((sum, p) => sum + p * (1 - p), 0);
  assert.ok(variance > 5, `${what}: too few chances`);
  const distance = (observed - mean) / Math.sqrt(variance);
  assert.ok(Math.abs(distance) < 5, `${what}: ${observed} seen, ${mean} expected (${distance} deviations)`);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('user feedback', () => {
  it('has the true frequencies: clicks, conversions and every quality event', async () => {
    const system = smallSystem({ requests: { train: 4000 } });
    const served = await serveAll(system, { to: 4000, size: 64 });
    const expected = served.map(({ impressions }) => expectedFeedback(impressions));
    const clicks = served.flatMap(({ feedback }) => [...feedback.click]);
    assert.equal(clicks.length, 8000);
    assertPlausible(
      sum(clicks),
      expected.flatMap(({ click }) => [...click]),
      'clicks',
    );
    const objectives = served.flatMap(({ impressions }) => [...impressions.objective]);
    const conversions = served.flatMap(({ feedback }) => [...feedback.conversion]);
    const chances = expected.flatMap(({ conversion }) => [...conversion]);
    for (const objective of [0, 1, 2]) {
      const mine = <Value>(values: readonly Value[]): Value[] => values.filter((_, i) => objectives[i] === objective);
      assertPlausible(sum(mine(conversions)), mine(chances), `conversions of objective ${objective}`);
    }
    for (const [e, event] of system.truth.events.entries()) {
      const seen = sum(served.flatMap(({ feedback }) => [...(feedback.events[e] ?? [])]));
      assertPlausible(
        seen,
        expected.flatMap(({ events }) => [...(events[e] ?? [])]),
        event.name,
      );
    }
  });

  it('clicks by accident on any impression, without converting', async () => {
    const objectives = { click: 0, postClick: 1, postImpression: 0 };
    const of = async (accidental: number) => {
      const system = smallSystem({ world: { objectives, click: { accidental } }, requests: { train: 2000 } });
      const served = await serveAll(system, { to: 2000, size: 64 });
      return {
        clicks: served.flatMap(({ feedback }) => [...feedback.click]),
        conversions: served.flatMap(({ feedback }) => [...feedback.conversion]),
        chances: served.flatMap(({ impressions }) => [...expectedFeedback(impressions).click]),
        converting: served.flatMap(({ impressions }) => [...expectedFeedback(impressions).conversion]),
      };
    };
    const [without, often] = [await of(0), await of(0.3)];
    assert.deepEqual(often.conversions, without.conversions);
    assert.deepEqual(often.converting, without.converting);
    assert.ok(without.clicks.every((click, row) => click <= (often.clicks[row] ?? 0)));
    assertPlausible(sum(often.clicks), often.chances, 'clicks');
    assert.ok(sum(often.chances) > sum(without.chances) + 0.29 * (4000 - sum(without.chances)));
  });

  it('converts only after a click, but after the impression where that is the objective', async () => {
    let viewThrough = 0;
    for (const { impressions, feedback } of await serveAll(smallSystem(), { to: 200 })) {
      for (const [row, converted] of feedback.conversion.entries()) {
        if (converted === 1 && feedback.click[row] === 0) {
          assert.equal(impressions.objective[row], 2);
          viewThrough += 1;
        }
      }
    }
    assert.ok(viewThrough > 0);
  });
});
