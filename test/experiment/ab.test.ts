import assert from 'node:assert/strict';
import { SampledRetrieval } from '../../src/cascade/retrieval.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import {
  type AbResult,
  type ComparedMetric,
  compareArms,
  firstFreshRequest,
  serveArms,
} from '../../src/experiment/ab.js';
import { formatAb } from '../../src/experiment/ab-text.js';
import { openNamedArms, parseArm } from '../../src/experiment/arm-notation.js';
import { type Arm, openArms } from '../../src/experiment/arms.js';
import { RunPool } from '../../src/experiment/run-pool.js';
import { serveAll, smallSystem } from '../cascade/support.js';
import { prerank } from '../support/sample-run.js';
import { smallArms, type Trained } from './fixture.js';

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

function metricOf({ treatments }: AbResult, basis: string, name: string): ComparedMetric {
  const found = treatments[0]?.metrics.find((row) => row.basis === basis && row.metric === name);
  assert.ok(found, `${basis} ${name}`);
  return found;
}

describe('an A/B comparison of arms without runs', () => {
  const system = smallSystem();
  const first = firstFreshRequest(system);
  let arms: Arm[];
  before(async () => {
    const noisy = { name: 'noisy', oracle: { noise: 0.8, events: ['cross_out'] } };
    arms = await openArms([noisy, { name: 'random', random: true }], { system });
  });

  it('has the rates of what each arm shows, counted by hand', async () => {
    const requests = 300;
    const result = await compareArms(system, arms, { requests, resamples: 20 });
    for (const [side, arm] of [['a', arms[0]] as const, ['b', arms[1]] as const]) {
      assert.ok(arm);
      const served = await serveAll(system, {
        from: first,
        to: first + requests,
        size: 50,
        stages: { early: arm.early },
      });
      const impressions = sum(served.map((batch) => batch.impressions.rows));
      const total = (of: (batch: (typeof served)[number]) => Iterable<number>): number =>
        sum(served.map((x) => sum(of(x))));
      const logistic = (logits: Iterable<number>): number[] => [...logits].map((x) => 1 / (1 + Math.exp(-x)));
      const clicks = total(({ feedback }) => feedback.click);
      const viaClick = total(({ feedback, impressions: { objective } }) =>
        feedback.conversion.filter((_, row) => objective[row] !== 2),
      );
      const shown = (column: ArrayLike<number>, rows: Uint32Array): number[] =>
        [...rows].map((row) => column[row] ?? 0);
      const expectations: [string, string, number][] = [
        ['sampled', 'ctr', clicks / impressions],
        ['sampled', 'cvr', total(({ feedback }) => feedback.conversion) / impressions],
        ['sampled', 'cvrPerClick', viaClick / clicks],
        ['sampled', 'hide', total(({ feedback }) => feedback.events[1] ?? []) / impressions],
        ['expected', 'ctr', total((batch) => logistic(batch.impressions.truth.click)) / impressions],
        ['expected', 'report', total((batch) => logistic(batch.impressions.truth.events[2] ?? [])) / impressions],
        [
          'estimated',
          'totalValue',
          total(({ auction, shown: { rows } }) => shown(auction.values.totalValue, rows)) / impressions,
        ],
        [
          'estimated',
          'asq',
          total(({ auction, shown: { rows } }) => shown(auction.scores.events[3] ?? [], rows)) / impressions,
        ],
      ];
      for (const [basis, name, expected] of expectations) {
        const found = metricOf(result, basis, name)[side] ?? Number.NaN;
        assert.ok(Math.abs(found - expected) < 1e-9, `${arm.name}, ${basis} ${name}: ${found} instead of ${expected}`);
      }
    }
  });

  it('has the TVD over all that the early stage passes on', async () => {
    const result = await compareArms(system, arms, { requests: 40, resamples: 20 });
    const served = await serveAll(system, { from: first, to: first + 40, stages: { early: arms[0]?.early } });
    let difference = 0;
    let size = 0;
    for (const { early, passed, auction } of served) {
      for (const [i, row] of passed.rows.entries()) {
        const final = auction.values.totalValue[i] ?? 0;
        difference += Math.abs(final - (early.value[row] ?? 0));
        size += Math.abs(final);
      }
    }
    const tvd = metricOf(result, 'estimated', 'tvd');
    assert.ok(Math.abs((tvd.a ?? 0) - difference / size) < 1e-12);
    assert.deepEqual([tvd.b, tvd.difference, tvd.p], [null, null, null], 'chance estimates no total value');
  });

  it('finds that chance shows worse ads', async () => {
    const value = metricOf(await compareArms(system, arms, { requests: 200 }), 'estimated', 'totalValue');
    assert.ok((value.high ?? 1) < 0 && (value.p ?? 1) < 0.05);
  });

  it('takes other fresh requests with another seed, the same with the same', async () => {
    const compare = (seed: number) => compareArms(system, arms, { requests: 30, resamples: 20, seed });
    const [one, again, other] = [await compare(0), await compare(0), await compare(1)];
    assert.deepEqual(one, again);
    assert.deepEqual([one.first, other.first], [250, 280]);
    assert.notEqual(metricOf(one, 'expected', 'ctr').a, metricOf(other, 'expected', 'ctr').a);
  });

  it('does not retrieve for each arm', async () => {
    let calls = 0;
    const retrieval = new SampledRetrieval(system);
    const counting = {
      retrieve: (batch: Parameters<SampledRetrieval['retrieve']>[0]) => {
        calls += 1;
        return retrieval.retrieve(batch);
      },
    };
    await serveArms(system, arms, { requests: 10, stages: { retrieval: counting } });
    assert.equal(calls, 1);
  });

  it('stops when it is told to', async () => {
    await assert.rejects(serveArms(system, arms, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
  });
});

describe('an A/B comparison of trained runs', () => {
  let trained: Trained;
  let system: SimulatedSystem;
  before(async () => {
    trained = await smallArms();
    system = new SimulatedSystem(trained.config);
  });

  it('of a model against itself gives exactly zero in every metric', async () => {
    const { multiTask: run } = trained;
    const specs = ['a', 'b'].map((name) => ({ name, ctr: { run }, quality: { run } }));
    const shared = await openArms(specs, { pool: new RunPool({ threads: 1 }) });
    const [, other] = await openArms(specs, { pool: new RunPool({ threads: 2 }) });
    assert.ok(other);
    const result = await compareArms(system, [...shared, other], { requests: 300, resamples: 100 });
    assert.equal(result.treatments.length, 2);
    for (const { metrics } of result.treatments) {
      assert.equal(metrics.length, 19);
      for (const { metric, basis, a, b, difference, low, high, relative, p } of metrics) {
        assert.ok(a !== null && a === b, metric);
        assert.deepEqual([difference, low, high, relative, p], [0, 0, 0, 0, 1], `${basis} ${metric}`);
      }
    }
    const costs = result.treatments[0]?.costs ?? [];
    assert.equal(costs.length, 5);
    for (const { metric, a, relative, relativeLow, relativeHigh } of costs) {
      assert.ok(a > 0, metric);
      assert.deepEqual([relative, relativeLow, relativeHigh], [0, 0, 0], metric);
    }
  });

  it('measures more CPU time for two models than for one', async () => {
    const { multiTask, clicks, events } = trained;
    const { arms } = await openNamedArms([multiTask, `ctr=${clicks},cqs=${multiTask}`], {
      simulation: trained.logs,
      threads: 1,
    });
    const { treatments, arms: summaries } = await compareArms(system, arms, { requests: 5, resamples: 10 });
    const change = Object.fromEntries(
      treatments[0]?.costs.map(({ metric, relative }) => [metric, relative ?? 0]) ?? [],
    );
    for (const { metric, relative, relativeLow, relativeHigh } of treatments[0]?.costs ?? []) {
      assert.ok((relativeLow ?? 1) <= (relative ?? 0) && (relative ?? 0) <= (relativeHigh ?? -1), metric);
    }
    assert.equal(change.embeddingBytes, 1);
    assert.ok((change.flops ?? 0) > 0.3 && (change.cpuSeconds ?? 0) > 0, JSON.stringify(change));
    assert.ok((summaries[0]?.serving?.cpuSeconds ?? 1) < 0.01);
    const spec = await parseArm(`ctr=${clicks},cross_out=${events},hide=${events}`, system, new RunPool());
    assert.deepEqual('quality' in spec && spec.quality, {
      events: [
        { run: events, task: 'cross_out', scalar: -1.5 },
        { run: events, task: 'hide', scalar: -1 },
      ],
    });
  });

  it('is a command, which finds the simulation of a run', () => {
    const { multiTask, clicks } = trained;
    const args = [
      'ab',
      '--control',
      clicks,
      '--treatment',
      `teacher=${multiTask},cqs=${multiTask}`,
      '--treatment',
      'oracle',
    ];
    const { status, stdout, stderr } = prerank(...args, '--requests', '60', '--threads', '1', '--json');
    assert.equal(status, 0, stderr);
    const result = JSON.parse(stdout) as AbResult;
    assert.deepEqual([result.requests, result.first, result.treatments.length], [60, 670, 2]);
    const text = formatAb(result);
    assert.match(text, /^oracle against clicks$/m);
    assert.match(text, /^ {2}asq +0\.\d+ +0\.\d+ +[+-]?0\.\d{4} +[+-]?0\.\d{4} … [+-]?0\.\d{4} +\d\.\d{3}$/m);
    assert.match(text, /^ {2}ctr +0\.\d+ +0\.\d+ +[+-]?\d+\.\d\d % /m);
    assert.match(text, /^ {2}cpuSeconds +0\.\d+ +0\.\d+ +[+-]\d+\.\d\d % +[+-]\d+\.\d\d % … [+-]\d+\.\d\d %$/m);
  });

  it('says what is wrong with an arm', async () => {
    const { clicks: run } = trained;
    for (const [notation, message] of [
      [`ctr=${run},ctr=${run}`, /is there twice/],
      [`cqs=${run}`, /give either ctr=RUN or teacher=RUN/],
      [`ctr=${run},bore=${run}`, /no quality event is named bore. Events: cross_out/],
      [`ctr=${run},cqs=${run},hide=${run}`, /not both/],
    ] as const) {
      await assert.rejects(parseArm(notation, system, new RunPool()), { code: 'USAGE', message });
    }
    await assert.rejects(openNamedArms(['oracle', 'random']), { code: 'USAGE', message: /no arm is a run/ });
  });
});
