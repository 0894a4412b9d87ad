import assert from 'node:assert/strict';
import type { Candidates } from '../../src/cascade/candidates.js';
import { Cascade, createStages } from '../../src/cascade/cascade.js';
import { OracleEarly, RandomEarly } from '../../src/cascade/early.js';
import { expectedFeedback } from '../../src/cascade/feedback.js';
import { logRequests } from '../../src/cascade/stream.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { judgeArms } from '../../src/experiment/judge-arms.js';
import { MEASURES, type MeasureName } from '../../src/experiment/measures.js';
import type { RequestSums } from '../../src/experiment/request-sums.js';
import { bruteTop, requestRows, smallConfig } from '../cascade/support.js';

const CONFIG = smallConfig({ requests: { first: 7, train: 50, eval: 12, replay: 15 } });

function value(sums: RequestSums, name: MeasureName): number {
  const { set, columns, value: of } = MEASURES[name];
  const all: Readonly<Record<string, Float64Array>> = sums[set];
  const total = (column: string): number => Array.from(all[column] ?? []).reduce((sum, x) => sum + x, 0);
  return of(columns.map(total));
}

function sumsOf(judged: ReadonlyMap<string, RequestSums>, arm: string): RequestSums {
  const sums = judged.get(arm);
  assert.ok(sums);
  return sums;
}

describe('judging arms', () => {
  const system = new SimulatedSystem(CONFIG);
  const events = CONFIG.quality.events.map(({ name }) => name);
  const arms = [
    { name: 'noisy', early: new OracleEarly(system, { noise: 0.5, events }) },
    { name: 'random', early: new RandomEarly() },
  ];

  it('gives the golden set, recall, impressions and TVD of a brute-force cascade', async () => {
    const judged = await judgeArms(system, arms);
    const { passed, shown } = CONFIG.cascade;
    const cascade = new Cascade(system, createStages(system));
    const { from: first } = logRequests(CONFIG, 'replay');
    for (const { name, early } of arms) {
      const sums = sumsOf(judged, name).cascade;
      let request = -1;
      for (const batch of system.requests(first, first + CONFIG.requests.replay, 4)) {
        const candidates: Candidates = await cascade.stages.retrieval.retrieve(batch);
        const final = (await cascade.score(candidates)).values.totalValue;
        const scores = await early.score(candidates);
        const expected = expectedFeedback(candidates);
        const at = (values: ArrayLike<number>, rows: readonly number[]): number =>
          rows.reduce((total, row) => total + (values[row] ?? 0), 0);
        for (const rows of requestRows(candidates)) {
          request += 1;
          const golden = bruteTop(final, rows, passed);
          const picked = bruteTop(scores.value, rows, passed);
          const won = bruteTop(final, picked, shown);
          const close = (column: keyof typeof sums, wanted: number): void => {
            const got = sums[column][request] ?? Number.NaN;
            assert.ok(Math.abs(got - wanted) < 1e-5 * (1 + Math.abs(wanted)), `${name} ${column}: ${got}, ${wanted}`);
          };
          close('soft', at(final, picked) / at(final, golden));
          close('hits', picked.filter((row) => golden.includes(row)).length);
          close('golden', passed);
          close('impressions', shown);
          close('clicks', at(expected.click, won));
          close('conversions', at(expected.conversion, won));
          close('crossOuts', at(expected.events[events.indexOf('cross_out')] ?? [], won));
          close('value', at(final, won));
          if (scores.ctr === undefined) continue;
          close(
            'difference',
            picked.reduce((sum, row) => sum + Math.abs((final[row] ?? 0) - (scores.value[row] ?? 0)), 0),
          );
          close(
            'size',
            picked.reduce((sum, row) => sum + Math.abs(final[row] ?? 0), 0),
          );
        }
      }
      assert.equal(request, CONFIG.requests.replay - 1);
    }
  });

  it('gives an exact early stage of an exact final stage recall 1', async () => {
    const exact = new SimulatedSystem({
      ...CONFIG,
      teacher: { ...CONFIG.teacher, noise: 0 },
      early: { ...CONFIG.early, conversionNoise: 0 },
    });
    const oracle = new OracleEarly(exact, { noise: 0, events });
    const judged = await judgeArms(exact, [{ name: 'oracle', early: oracle }]);
    const sums = sumsOf(judged, 'oracle');
    assert.ok(Math.abs(value(sums, 'softRecall') - 1) < 1e-6);
    assert.equal(value(sums, 'hardRecall'), 1);
    assert.ok(value(sums, 'tvd') < 1e-5);
    assert.ok(value(sums, 'mse') < 1e-8);
  });

  it('judges equal arms exactly equal, and knowledge above chance', async () => {
    const [noisy, random] = arms;
    assert.ok(noisy && random);
    const judged = await judgeArms(system, [noisy, { ...noisy, name: 'again' }, random]);
    assert.deepEqual(sumsOf(judged, 'again'), sumsOf(judged, 'noisy'));
    assert.ok(value(sumsOf(judged, 'random'), 'softRecall') < value(sumsOf(judged, 'noisy'), 'softRecall'));
    assert.ok(value(sumsOf(judged, 'random'), 'totalValue') < value(sumsOf(judged, 'noisy'), 'totalValue'));
  });

  it('takes the log loss on impressions in CTR traffic and the squared error on all logged rows', async () => {
    const early = {
      score: (candidates: Candidates) => ({
        value: new Float32Array(candidates.rows),
        ctr: new Float32Array(candidates.rows).fill(0.25),
        cqs: new Float32Array(candidates.rows),
      }),
    };
    const { heldOut } = sumsOf(await judgeArms(system, [{ name: 'constant', early }]), 'constant');
    const total = (values: Float64Array): number => values.reduce((sum, x) => sum + x, 0);
    const { shown } = CONFIG.cascade;
    const logged = CONFIG.requests.eval * (shown + CONFIG.log.final + CONFIG.log.early);
    assert.equal(total(heldOut.rows), logged);
    assert.ok(total(heldOut.judged) > 0 && total(heldOut.judged) < CONFIG.requests.eval * shown);
    const [clicked, judged] = [total(heldOut.clicked), total(heldOut.judged)];
    const loss = -clicked * Math.log(0.25) - (judged - clicked) * Math.log(0.75);
    assert.ok(Math.abs(total(heldOut.loss) - loss) < 1e-5);
    assert.ok(Math.abs(total(heldOut.predicted) - 0.25 * judged) < 1e-6);
  });

  it('stops when it is interrupted', async () => {
    const stop = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 0) stop.abort();
    };
    await assert.rejects(judgeArms(system, arms, { signal: stop.signal, onProgress }), { code: 'CANCELLED' });
  });
});
