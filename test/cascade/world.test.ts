/** The default world is that of reproduction.md: what a prototype of the same world measured holds here, too. */
import assert from 'node:assert/strict';
import { Cascade } from '../../src/cascade/cascade.js';
import { loadSimulation } from '../../src/cascade/config.js';
import { OracleEarly, RandomEarly } from '../../src/cascade/early.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { softRecall } from '../../src/metrics/index.js';

const REQUESTS = 120;

interface Measured {
  readonly system: SimulatedSystem;
  readonly absoluteCqs: number;
  readonly action: number;
  readonly recall: Readonly<Record<'oracle' | 'logging' | 'random', number>>;
}

async function measure(retrieval: 'relevance' | 'random'): Promise<Measured> {
  const system = new SimulatedSystem(loadSimulation({ retrieval: { kind: retrieval } }));
  const cascade = new Cascade(system);
  const events = system.truth.events.map((event) => event.name);
  const stages = {
    oracle: new OracleEarly(system, { noise: 0, events }),
    logging: cascade.stages.early,
    random: new RandomEarly(),
  };
  const values = { oracle: [] as number[], logging: [] as number[], random: [] as number[] };
  const final: number[] = [];
  const requests: number[] = [];
  const sums = { cqs: 0, action: 0 };
  for (const batch of system.requests(0, REQUESTS)) {
    const scored = await cascade.score(await cascade.stages.retrieval.retrieve(batch));
    final.push(...scored.values.totalValue);
    requests.push(...scored.candidates.request);
    for (const value of scored.values.cqs) sums.cqs += Math.abs(value);
    for (const value of scored.values.action) sums.action += value;
    for (const name of ['oracle', 'logging', 'random'] as const) {
      values[name].push(...(await stages[name].score(scored.candidates)).value);
    }
  }
  const recall = (scores: readonly number[]): number => softRecall(scores, final, requests, 30).value ?? 0;
  return {
    system,
    absoluteCqs: sums.cqs / final.length,
    action: sums.action / final.length,
    recall: { oracle: recall(values.oracle), logging: recall(values.logging), random: recall(values.random) },
  };
}

describe('the default world', () => {
  let relevant: Measured;
  let random: Measured;
  before(async () => {
    relevant = await measure('relevance');
    random = await measure('random');
  });

  it('has |CQS| of .14 to .17 against bid · EAR of .12 to .24, by retrieval', () => {
    for (const { absoluteCqs } of [relevant, random]) {
      assert.ok(absoluteCqs > 0.13 && absoluteCqs < 0.18, `|CQS| ${absoluteCqs}`);
    }
    assert.ok(relevant.action > 0.2 && relevant.action < 0.28, `bid · EAR of relevant ads ${relevant.action}`);
    assert.ok(random.action > 0.09 && random.action < 0.16, `bid · EAR of random ads ${random.action}`);
  });

  it('lets the exact truth reach a soft recall of .93, no early stage more', () => {
    const { oracle, logging, random: chance } = relevant.recall;
    assert.ok(Math.abs(oracle - 0.93) < 0.015, `oracle ${oracle}`);
    assert.ok(logging > 0.8 && logging < oracle - 0.04, `logging early stage ${logging}`);
    assert.ok(chance < 0.2, `random ${chance}`);
  });

  it('has the shares and sizes of ads and users', () => {
    const { ads, users } = relevant.system.world;
    for (const [objective, share] of [0.5, 0.3, 0.2].entries()) {
      const found = ads.objective.filter((value) => value === objective).length / 1500;
      assert.ok(
        Math.abs(found - share) < 5 * Math.sqrt((share * (1 - share)) / 1500),
        `objective ${objective}: ${found}`,
      );
    }
    const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = (values: Float32Array): number => {
      const centre = mean(values);
      return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length);
    };
    for (const [values, sd] of [
      [users.factors, 1],
      [ads.factors, 1],
      [users.activity, 0.4],
      [ads.popularity, 0.5],
      [ads.bait, 1],
      [users.sensitivity[1], 1],
    ] as const) {
      const error = sd / Math.sqrt(values.length);
      assert.ok(Math.abs(mean(values)) < 5 * error);
      assert.ok(Math.abs(deviation(values) - sd) < 5 * error);
    }
    const clickBids = ads.bid.filter((_, ad) => ads.objective[ad] === 0).map(Math.log);
    assert.ok(Math.abs(deviation(clickBids) - Math.hypot(0.6, 0.25)) < 0.1);
  });

  it('gives quality events a covariance through shared traits, by the square of their scale', () => {
    const covariance = (sharedTraits: number): number => {
      const system = new SimulatedSystem(loadSimulation({ quality: { sharedTraits } }));
      const ads = Uint32Array.from({ length: 1500 }, (_, ad) => ad);
      const { events } = system.truth.logits(
        Uint32Array.from(ads, (ad) => (ad * 7) % 4000),
        ads,
      );
      const [crossOut, report] = [events[0] ?? new Float64Array(0), events[2] ?? new Float64Array(0)];
      const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
      const centre = [mean(crossOut), mean(report)] as const;
      return mean(crossOut.map((value, i) => (value - centre[0]) * ((report[i] ?? 0) - centre[1])));
    };
    const [none, once, twice] = [covariance(0), covariance(1), covariance(2)];
    assert.ok(Math.abs(once - none - 1.3) < 0.2, `${once - none}`);
    assert.ok(Math.abs((twice - none) / (once - none) - 4) < 0.4, `${(twice - none) / (once - none)}`);
  });
});
