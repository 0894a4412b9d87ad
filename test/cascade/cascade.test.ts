import assert from 'node:assert/strict';
import type { Candidates } from '../../src/cascade/candidates.js';
import { Cascade, createStages, type Served } from '../../src/cascade/cascade.js';
import { earlyValue, ModelEarly, OracleEarly, RandomEarly } from '../../src/cascade/early.js';
import { ModelFinal, OracleFinal } from '../../src/cascade/final.js';
import { loggedRows } from '../../src/cascade/log-rows.js';
import { sigmoid } from '../../src/cascade/random.js';
import type { ScoringCallback } from '../../src/cascade/scoring.js';
import type { SimulatedSystem } from '../../src/cascade/system.js';
import { hardRecall, softRecall } from '../../src/metrics/index.js';
import { bruteTop, requestRows, serveAll, smallSystem } from './support.js';

/** Columns of several batches, one behind the other. */
function join<Item>(items: readonly Item[], column: (item: Item) => ArrayLike<number>): number[] {
  return items.flatMap((item) => Array.from(column(item)));
}

/** Recall of the early stage over complete requests. */
async function recall(system: SimulatedSystem, early = createStages(system).early) {
  const k = system.config.cascade.passed;
  const served = await serveAll(system, { stages: { early } });
  const cascade = new Cascade(system);
  const scored = await Promise.all(served.map(({ retrieved }) => cascade.score(retrieved)));
  const requests = join(served, ({ retrieved }) => retrieved.request);
  const values = join(served, ({ early: scores }) => scores.value);
  const final = join(scored, ({ values: { totalValue } }) => totalValue);
  return { hard: hardRecall(values, final, requests, k), soft: softRecall(values, final, requests, k) };
}

const EXACT = { teacher: { noise: 0 }, early: { conversionNoise: 0 } };

describe('the cascade', () => {
  it('passes on and shows the best ads, as by brute force', async () => {
    const system = smallSystem();
    for (const { retrieved, early, passed, auction, shown } of await serveAll(system)) {
      for (const [i, rows] of requestRows(retrieved).entries()) {
        assert.equal(rows.length, 60);
        const mine = [...passed.rows.subarray(passed.offsets[i], passed.offsets[i + 1])];
        assert.deepEqual(new Set(mine), new Set(bruteTop(early.value, rows, 12)));
      }
      for (const [i, rows] of requestRows(auction.candidates).entries()) {
        const winners = [...shown.rows.subarray(shown.offsets[i], shown.offsets[i + 1])];
        assert.deepEqual(new Set(winners), new Set(bruteTop(auction.values.totalValue, rows, 2)));
      }
    }
  });

  it('retrieves different launched ads, the relevant ones rather', async () => {
    const system = smallSystem({ world: { lateAds: 0.5 } });
    const matchOf = ({ user, ad }: Candidates): number =>
      system.truth.matches(user, ad).whole.reduce((sum, value) => sum + value, 0) / ad.length;
    const [first] = await serveAll(system, { to: 1 });
    assert.ok(first);
    for (const { retrieved } of await serveAll(system)) {
      for (const rows of requestRows(retrieved)) {
        const ads = rows.map((row) => retrieved.ad[row] ?? 0);
        assert.deepEqual(
          ads,
          [...new Set(ads)].sort((a, b) => a - b),
        );
      }
    }
    assert.ok(Math.max(...first.retrieved.ad) < 100, 'late ads are not there at the start');
    const later = (await serveAll(system, { from: 190, to: 200 })).flatMap(({ retrieved }) => [...retrieved.ad]);
    assert.ok(Math.max(...later) >= 180, 'late ads are there at the end');
    const random = smallSystem({ retrieval: { kind: 'random' } });
    const mean = async (of: SimulatedSystem): Promise<number> => {
      const served = await serveAll(of);
      return served.reduce((sum, { retrieved }) => sum + matchOf(retrieved), 0) / served.length;
    };
    assert.ok((await mean(smallSystem())) > (await mean(random)) + 0.2);
  });

  it('does not depend on batches', async () => {
    const system = smallSystem({ drift: [{ at: 0.1, scalars: { hide: -9 } }] });
    const columns = async (size: number) => {
      const served = await serveAll(system, { size });
      return {
        ads: join(served, ({ retrieved }) => retrieved.ad),
        early: join(served, ({ early }) => early.value),
        final: join(served, ({ auction }) => auction.values.totalValue),
        shown: join(served, ({ impressions }) => impressions.ad),
        clicks: join(served, ({ feedback }) => feedback.click),
      };
    };
    assert.deepEqual(await columns(1), await columns(64));
  });

  it('gives two systems of one seed the same luck, and another seed another', async () => {
    const clicks = async (seed: number) => {
      const served = await serveAll(smallSystem({ seed }), { to: 100 });
      return join(served, ({ feedback }) => feedback.click).join('');
    };
    assert.equal(await clicks(1), await clicks(1));
    assert.notEqual(await clicks(1), await clicks(2));
  });

  it('treats two early stages that agree alike, sample for sample', async () => {
    const system = smallSystem();
    const oracle = () => new OracleEarly(system, { noise: 0.3, events: ['cross_out'] });
    const [a, b] = [
      await serveAll(system, { stages: { early: oracle() } }),
      await serveAll(system, { stages: { early: oracle() } }),
    ];
    const outcome = (served: Served[]) => [
      join(served, ({ impressions }) => impressions.ad),
      join(served, ({ feedback }) => feedback.conversion),
    ];
    assert.deepEqual(outcome(a), outcome(b));
  });

  it('has recall 1 when the early stage knows what an exact final stage knows', async () => {
    const system = smallSystem(EXACT);
    const names = system.truth.events.map((event) => event.name);
    const { hard, soft } = await recall(system, new OracleEarly(system, { noise: 0, events: names }));
    assert.deepEqual([hard.value, soft.value], [1, 1]);
  });

  it('has less recall the more errors the stages make', async () => {
    const names = smallSystem().truth.events.map((event) => event.name);
    const soft = async (teacher: number, early: number): Promise<number> => {
      const system = smallSystem({ teacher: { noise: teacher } });
      return (await recall(system, new OracleEarly(system, { noise: early, events: names }))).soft.value ?? 0;
    };
    const values = [await soft(0.25, 0), await soft(0.25, 0.8), await soft(1.5, 0.8)];
    assert.ok((values[0] ?? 0) > (values[1] ?? 0) && (values[1] ?? 0) > (values[2] ?? 0), values.join());
    const system = smallSystem();
    assert.ok(((await recall(system, new RandomEarly())).hard.value ?? 1) < 0.35);
  });

  it('scores by a callback over the columns of the log', async () => {
    const system = smallSystem();
    const seen: string[][] = [];
    const model: ScoringCallback = (batch) => {
      seen.push([...batch.names]);
      const popularity = batch.column('ad_popularity');
      return new Map([
        ['ctr', Float64Array.from(popularity, (value) => sigmoid(value - 3))],
        ['cqs', Float64Array.from(batch.column('ad_id'), (ad) => 0.001 * ad)],
      ]);
    };
    const [served] = await serveAll(system, { stages: { early: new ModelEarly(model) } });
    assert.ok(served);
    const { retrieved, early } = served;
    const { popularity } = system.world.ads;
    const row = retrieved.objective.indexOf(0);
    const ad = retrieved.ad[row] ?? 0;
    const expected = (retrieved.bid[row] ?? 0) * sigmoid((popularity[ad] ?? 0) - 3) + 0.001 * ad;
    assert.ok(Math.abs((early.value[row] ?? 0) - expected) < 1e-6);
    assert.ok(seen[0]?.includes('user_activity') && seen[0].includes('early_cvr'));
  });

  it('refuses predictions that are not there or of another length', async () => {
    const system = smallSystem();
    const serve = (model: ScoringCallback) => serveAll(system, { stages: { early: new ModelEarly(model) } });
    await assert.rejects(
      serve(() => new Map()),
      { code: 'INVALID_ARGUMENT' },
    );
    await assert.rejects(
      serve(() => new Map([['ctr', [0.5]]])),
      { code: 'INVALID_ARGUMENT' },
    );
  });

  it('lets a model be the final stage for some heads', async () => {
    const system = smallSystem();
    const model: ScoringCallback = (batch) => new Map([['click', new Float32Array(batch.rows).fill(0.25)]]);
    const [served] = await serveAll(system, {
      stages: { final: new ModelFinal(model, new OracleFinal(), { ctr: 'click' }) },
    });
    const [plain] = await serveAll(system);
    assert.ok(served && plain);
    const { scores, candidates } = served.auction;
    assert.deepEqual(
      [...scores.ctr],
      [...candidates.objective].map((objective) => (objective === 2 ? Number.NaN : 0.25)),
    );
    assert.deepEqual(scores.events, plain.auction.scores.events);
  });
});

describe('total values of the cascade', () => {
  for (const form of ['additive', 'multiplicative'] as const) {
    it(`are ${form} in bid · EAR and f(CQS)`, async () => {
      const system = smallSystem({ auction: { form, f: { kind: 'affine', scale: 2, shift: 1 } } });
      const seen = new Set<number>();
      for (const { auction } of await serveAll(system)) {
        const { candidates, scores, values } = auction;
        for (let row = 0; row < candidates.rows; row += 1) {
          const objective = candidates.objective[row] ?? 0;
          seen.add(objective);
          const ctr = scores.ctr[row] ?? 0;
          const ear = [ctr, ctr * (scores.cvr[row] ?? 0), scores.vtr[row] ?? 0][objective] ?? 0;
          const cqs = system.config.quality.events.reduce(
            (sum, event, e) => sum + 0.25 * event.scalar * (scores.events[e]?.[row] ?? 0),
            0,
          );
          const action = (candidates.bid[row] ?? 0) * ear;
          const expected = form === 'additive' ? action + 2 * cqs + 1 : action * (2 * cqs + 1);
          assert.ok(Math.abs((values.totalValue[row] ?? 0) - expected) < 1e-5 * (1 + Math.abs(expected)));
        }
      }
      assert.equal(seen.size, 3);
    });
  }

  it('give the early stage the same form', async () => {
    const system = smallSystem({ auction: { form: 'multiplicative', f: { kind: 'clamp', min: 0.5, max: 2 } } });
    const [served] = await serveAll(system);
    assert.ok(served);
    const { retrieved } = served;
    const ctr = new Float32Array(retrieved.rows).fill(0.1);
    const values = earlyValue(retrieved, ctr, new Float32Array(retrieved.rows).fill(-3));
    const row = retrieved.objective.indexOf(0);
    assert.ok(Math.abs((values[row] ?? 0) - 0.05 * (retrieved.bid[row] ?? 0)) < 1e-6);
  });
});

describe('logged rows', () => {
  it('are the impressions and samples of both pools, in the order of the ads', async () => {
    const system = smallSystem();
    const cascade = new Cascade(system);
    for (const served of await serveAll(system)) {
      const logged = await loggedRows(cascade, served, { final: 3, early: 4 });
      for (const rows of requestRows(logged.candidates)) {
        const ads = rows.map((row) => logged.candidates.ad[row] ?? 0);
        assert.deepEqual(
          ads,
          [...ads].sort((a, b) => a - b),
        );
        const stages = rows.map((row) => logged.stage[row] ?? 0);
        assert.equal(stages.filter((stage) => stage >= 4).length, 2);
        assert.equal(stages.filter((stage) => stage === 3).length, 3);
        assert.equal(stages.filter((stage) => stage === 1).length, 4);
      }
    }
  });

  it('complete, hold the golden set that brute force finds', async () => {
    const system = smallSystem();
    const cascade = new Cascade(system);
    for (const served of await serveAll(system)) {
      const logged = await loggedRows(cascade, served, 'complete');
      const { candidates, values } = await cascade.score(served.retrieved);
      assert.deepEqual(logged.candidates.ad, candidates.ad);
      assert.deepEqual(logged.values.totalValue, values.totalValue);
      for (const rows of requestRows(candidates)) {
        const golden = bruteTop(values.totalValue, rows, 12);
        assert.deepEqual(bruteTop(logged.values.totalValue, rows, 12), golden);
      }
    }
  });

  it('carry what the production final stage said, background or not', async () => {
    const system = smallSystem();
    const cascade = new Cascade(system);
    const [served] = await serveAll(system);
    assert.ok(served);
    const all = await loggedRows(cascade, served, 'complete');
    const some = await loggedRows(cascade, served, { final: 2, early: 2 });
    const key = (logged: typeof all, row: number): string =>
      `${logged.candidates.request[row]}/${logged.candidates.ad[row]}`;
    const values = new Map(Array.from(all.values.cqs, (cqs, row) => [key(all, row), cqs]));
    for (const [row, cqs] of some.values.cqs.entries()) assert.equal(cqs, values.get(key(some, row)));
  });

  it('draw every non-impression of a pool equally often', async () => {
    const system = smallSystem({ requests: { train: 3000 } });
    const cascade = new Cascade(system);
    const places = new Float64Array(48);
    for (const served of await serveAll(system, { to: 1500, size: 64 })) {
      const logged = await loggedRows(cascade, served, { final: 0, early: 4 });
      const passed = new Set(served.passed.rows);
      const drawn = new Set(
        Array.from(logged.candidates.ad, (ad, row) => `${logged.candidates.request[row]}/${ad}`).filter(
          (_, row) => logged.stage[row] === 1,
        ),
      );
      for (const rows of requestRows(served.retrieved)) {
        const pool = rows.filter((row) => !passed.has(row));
        assert.equal(pool.length, 48);
        for (const [place, row] of pool.entries()) {
          if (drawn.has(`${served.retrieved.request[row]}/${served.retrieved.ad[row]}`)) {
            places[place] = (places[place] ?? 0) + 1;
          }
        }
      }
    }
    const expected = (1500 * 4) / 48;
    assert.equal(
      places.reduce((a, b) => a + b, 0),
      6000,
    );
    const chiSquare = places.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    assert.ok(chiSquare < 47 + 5 * Math.sqrt(94), `χ² ${chiSquare}`);
  });
});
