/** Replay evaluation and comparison of runs on a simulated log, as a library and on the command line. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReplayLog } from '../../src/experiment/replay-log.js';
import { scoreLog } from '../../src/experiment/scored-log.js';
import { compareRuns, evaluateReplay, openRun, type ReplayEvaluation, type RunComparison } from '../../src/index.js';
import { hardRecall, ndcg, rcs, softRecall, totalValueDifference } from '../../src/metrics/index.js';
import { duckdb, prerank } from '../support/sample-run.js';
import { smallArms, type Trained } from './fixture.js';

const RESAMPLES = 100;

function near(found: number | null | undefined, expected: number | null | undefined, what: string): void {
  assert.ok(Math.abs((found ?? Number.NaN) - (expected ?? Number.NaN)) < 1e-9, `${what}: ${found}, not ${expected}`);
}

describe('replay of runs', () => {
  let trained: Trained;
  before(async () => {
    trained = await smallArms();
  });
  const options = (k: number[]) => ({ replay: [...trained.replay], k, m: [12], resamples: RESAMPLES });

  it('gives the metrics by their definitions', async () => {
    const run = await openRun(trained.multiTask, { threads: 1 });
    const { results, requests, candidates, calibration, notes } = await evaluateReplay(run, options([3, 6]));
    const log = await ReplayLog.open([...trained.replay]);
    const { early, final, requests: codes } = await scoreLog(run, log);
    await log.close();
    assert.equal(candidates, early.length);
    assert.equal(requests, new Set(codes).size);
    assert.deepEqual(notes, []);
    for (const { k, metrics, spread, slices, softSkipped } of results) {
      const hard = hardRecall(early, final, codes, k);
      const soft = softRecall(early, final, codes, k);
      near(metrics.hardRecall?.value, hard.value, 'hard recall');
      near(spread.hardRecall, hard.sd, 'spread of hard recall');
      near(metrics.softRecall?.value, soft.value, 'soft recall');
      near(spread.softRecall, soft.sd, 'spread of soft recall');
      near(metrics.softRecallPooled?.value, soft.pooled, 'pooled soft recall');
      assert.equal(softSkipped, soft.softSkipped);
      near(metrics['rcs@12']?.value, rcs(early, final, codes, { m: 12, k }).value, 'RCS');
      near(metrics[`rcs@${k}`]?.value, hard.value, 'RCS at k');
      near(metrics.ndcg?.value, ndcg(early, final, codes, k).value, 'NDCG');
      near(metrics.tvd?.value, totalValueDifference(final, early).value, 'TVD');
      near(metrics.pickedValue!.value! / metrics.goldenValue!.value!, soft.pooled, 'value of the picks');
      for (const [name, { value, low, high }] of Object.entries(metrics)) {
        assert.ok(low! <= value! && value! <= high! && low! < high!, `${name}: ${low} ${value} ${high}`);
      }
      const of = (names: RegExp): number =>
        slices.filter(({ slice }) => names.test(slice)).reduce((sum, slice) => sum + slice.candidates, 0);
      for (const partition of [/objective/, /impressions/, /(new|known) ads/, /bid decile/]) {
        assert.equal(of(partition), candidates, String(partition));
      }
      const shares = slices.filter(({ slice }) => /bid decile/.test(slice)).map(({ metrics: m }) => m.goldenShare);
      near(
        shares.reduce((sum, share) => sum + share!.value!, 0),
        1,
        'shares of the golden set',
      );
    }
    assert.ok(calibration.impressions! > 0.3 && calibration.impressions! < 3);
    assert.ok(calibration.nonImpressions! > 0.3 && calibration.nonImpressions! < 3);
  });

  it('finds no difference between a run and itself', async () => {
    const run = await openRun(trained.multiTask, { threads: 1 });
    const { results, tasks } = await compareRuns(run, run, options([4]));
    const slices = results[0]?.slices ?? [];
    assert.equal(slices.length, 17);
    const ofSlices = slices.flatMap(({ differences }) => differences);
    const all = [...(results[0]?.differences ?? []), ...ofSlices.filter(({ low }) => low !== null), ...tasks];
    assert.ok(all.length > 50);
    assert.deepEqual(
      tasks.map(({ metric }) => metric),
      ['ctr.ne', 'cqs.mse', 'teacher.ne'],
    );
    for (const { metric, a, b, difference, low, high, relative, p } of all) {
      assert.equal(a, b, metric);
      const none = { difference: 0, low: 0, high: 0, relative: a === 0 ? null : 0, p: 1 };
      assert.deepEqual({ difference, low, high, relative, p }, none);
    }
  });

  it('compares two runs as their evaluations say', async () => {
    const [a, b] = [await openRun(trained.clicks, { threads: 1 }), await openRun(trained.multiTask, { threads: 1 })];
    const { results, tasks } = await compareRuns(a, b, options([4]));
    const [ofA, ofB] = [await evaluateReplay(a, options([4])), await evaluateReplay(b, options([4]))];
    for (const found of results[0]?.differences ?? []) {
      near(found.a, ofA.results[0]?.metrics[found.metric]?.value, found.metric);
      near(found.b, ofB.results[0]?.metrics[found.metric]?.value, found.metric);
      near(found.difference, found.b! - found.a!, found.metric);
    }
    assert.deepEqual(
      tasks.map(({ metric }) => metric),
      ['ctr.ne'],
    );
    const [slicesA, slicesB] = [ofA.results[0]?.slices ?? [], ofB.results[0]?.slices ?? []];
    for (const [i, { slice, candidates, differences }] of (results[0]?.slices ?? []).entries()) {
      assert.equal(slice, slicesA[i]?.slice);
      assert.equal(candidates, slicesA[i]?.candidates);
      assert.deepEqual(
        differences.map(({ metric }) => metric),
        ['recall', 'recallPooled', 'valueRecall', 'pickedShare'],
      );
      for (const found of differences) {
        const value = slicesA[i]?.metrics[found.metric]?.value ?? null;
        assert.equal(found.a === null, value === null, `${slice} ${found.metric}`);
        if (value !== null) near(found.a, value, `${slice} ${found.metric} of A`);
        // B was trained on other rows and knows other ads.
        const ofB = slicesB[i]?.metrics[found.metric]?.value ?? null;
        if (ofB !== null && !slice.endsWith(' ads')) near(found.b, ofB, `${slice} ${found.metric} of B`);
      }
    }
  });

  it('compares checkpoints', async () => {
    const { multiTask, clicks, replay } = trained;
    const common = ['--replay', ...replay, '--k', '4', '--resamples', '50', '--threads', '1'];
    const folders = await readdir(join(multiTask, 'checkpoints'));
    const first = Math.min(...folders.flatMap((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? []) || []));
    const compared = prerank(
      'compare',
      multiTask,
      multiTask,
      ...common,
      '--checkpoint',
      String(first),
      'last',
      '--json',
    );
    assert.equal(compared.status, 0, compared.stderr);
    const ndcgOf = async (checkpoint: 'last' | number): Promise<number | null | undefined> => {
      const run = await openRun(multiTask, { checkpoint, threads: 1 });
      return (await evaluateReplay(run, options([4]))).results[0]?.metrics.ndcg?.value;
    };
    const { results } = JSON.parse(compared.stdout) as RunComparison;
    const found = results[0]?.differences.find(({ metric }) => metric === 'ndcg');
    assert.equal(found?.a, await ndcgOf(first));
    assert.equal(found?.b, await ndcgOf('last'));
    assert.notEqual(found?.a, found?.b);
    const both = prerank('compare', clicks, multiTask, ...common, '--checkpoint', String(first));
    assert.match(both.stderr, new RegExp(`RUN_NOT_FOUND.* no checkpoint ${first}`), 'the name is for both runs');
    const three = prerank('compare', clicks, multiTask, ...common, '--checkpoint', 'last', 'last', 'last');
    assert.equal(three.status, 2);
    assert.match(three.stderr, /USAGE/);
  });

  it('works on the command line', async () => {
    const { multiTask, clicks, replay, folder } = trained;
    const out = join(folder, 'replay.json');
    const common = ['--replay', ...replay, '--k', '3', '5', '--resamples', '50', '--threads', '1'];
    const table = prerank('evaluate', multiTask, ...common, '--out', out);
    assert.equal(table.status, 0, table.stderr);
    assert.match(table.stdout, /K = 5\nmetric +value +95 % interval/);
    assert.match(table.stdout, /new ads +\d+/);
    const written = JSON.parse(await readFile(out, 'utf8')) as ReplayEvaluation;
    assert.deepEqual(
      written.results.map(({ k }) => k),
      [3, 5],
    );
    const compared = prerank('compare', clicks, multiTask, ...common, '--json');
    assert.equal(compared.status, 0, compared.stderr);
    const { results } = JSON.parse(compared.stdout) as RunComparison;
    near(results[1]?.differences[0]?.b, written.results[1]?.metrics.hardRecall?.value, 'hard recall');
    const text = prerank('compare', clicks, multiTask, ...common);
    assert.match(text.stdout, /\nslice +candidates +recall A +B +.*\nobjective click +\d+ /);
    assert.match(text.stdout, /softRecall +[\d.]+ +[\d.]+ +-?[\d.e-]+ +\S+ to \S+ +-?[\d.]+ %/);
  });

  it('says what a log or a run lacks', async () => {
    const { multiTask, events, replay, folder } = trained;
    const run = await openRun(multiTask, { threads: 1 });
    const refuses = async (log: string, code: string, message: RegExp): Promise<void> => {
      await assert.rejects(evaluateReplay(run, { replay: [log], k: [3], resamples: 10 }), { code, message });
    };
    const changed = async (name: string, select: string): Promise<string> => {
      const file = join(folder, `${name}.parquet`);
      await duckdb(`COPY (SELECT ${select} FROM '${replay[0]}') TO '${file}'`);
      return file;
    };
    const valueless = await changed('no-value', '* EXCLUDE (total_value)');
    await refuses(valueless, 'COLUMN_MISSING', /needs the column total_value \(finalTotalValue\)/);
    await refuses(await changed('no-request', '* EXCLUDE (request_id)'), 'COLUMN_MISSING', /request_id \(request\)/);
    await refuses(await changed('no-bid', '* REPLACE (NULL::FLOAT AS bid)'), 'METRIC_INPUT', /row 0 has no bid/);
    const text = join(folder, 'log.parquet');
    await writeFile(text, 'no log');
    await refuses(text, 'DATA_INVALID', /log\.parquet/);
    await refuses(join(folder, 'none.parquet'), 'DATA_NOT_FOUND', /none\.parquet/);
    const quality = await openRun(events, { threads: 1 });
    await assert.rejects(evaluateReplay(quality, { replay: [...replay] }), { message: /no task ctr/ });
    const { status, stderr } = prerank('evaluate', multiTask, '--k', '2', '3');
    assert.equal(status, 2);
    assert.match(stderr, /USAGE.*need --replay/);
  });
});
