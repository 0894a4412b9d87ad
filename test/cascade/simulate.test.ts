import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSimulation, simulationYaml } from '../../src/cascade/config.js';
import { OracleEarly } from '../../src/cascade/early.js';
import { ParquetWriter } from '../../src/cascade/parquet-writer.js';
import { PartMaker, planParts } from '../../src/cascade/parts.js';
import { PRESET_NAMES } from '../../src/cascade/presets.js';
import { type SimulateSummary, simulate } from '../../src/cascade/simulate.js';
import { SimulatedSystem } from '../../src/cascade/system.js';
import { hardRecall } from '../../src/metrics/index.js';
import { duckdb, runPrerank } from '../support/sample-run.js';
import { smallConfig } from './support.js';

const DRIFT = [{ at: 0.5, events: [{ name: 'misleading', scalar: -5, base: -2 }], teacher: { noise: 0.4 } }];

/** Three files of training rows. */
const PARTS = { log: { rowsPerFile: 600 } };

async function files(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder, { recursive: true });
  const found = new Map<string, string>();
  for (const name of names.sort().filter((file) => /\.\w+$/.test(file))) {
    found.set(name, (await readFile(join(folder, name))).toString('latin1'));
  }
  return found;
}

describe('prerank simulate', () => {
  let folder: string;
  let out: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-simulate-'));
    out = join(folder, 'logs');
    await simulate(smallConfig({ drift: DRIFT, ...PARTS }), { out, threads: 2 });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const select = (columns: string, log: string, rest = ''): Promise<unknown[][]> =>
    duckdb(`SELECT ${columns} FROM '${out}/${log}/*.parquet' ${rest}`);

  it('leaves logs, truth, configurations and figures', async () => {
    assert.deepEqual((await readdir(out, { recursive: true })).filter((name) => /\.\w+$/.test(name)).sort(), [
      'config.yaml',
      'eval/part-00000.parquet',
      'final.yaml',
      'replay/part-00000.parquet',
      'replay/part-00001.parquet',
      'simulation.json',
      'simulation.yaml',
      'train/part-00000.parquet',
      'train/part-00001.parquet',
      'train/part-00002.parquet',
      'truth/eval/part-00000.parquet',
      'truth/replay/part-00000.parquet',
      'truth/replay/part-00001.parquet',
    ]);
    const [counts] = await select('count(*)::INTEGER, count(DISTINCT request_id)::INTEGER', 'train');
    assert.deepEqual(counts, [200 * 8, 200]);
    const [replay] = await select('count(*)::INTEGER, min(request_id), max(request_id)', 'replay');
    assert.deepEqual(replay, [20 * 60, 230, 249]);
  });

  it('writes the same bytes for any number of threads and requests per batch', async () => {
    const config = smallConfig({ drift: DRIFT, ...PARTS });
    const other = join(folder, 'one-thread');
    await simulate(config, { out: other, threads: 1 });
    assert.deepEqual(await files(other), await files(out));
    const batches = join(folder, 'batches');
    const writer = await ParquetWriter.open();
    const maker = new PartMaker(new SimulatedSystem(config), writer, batches, {}, 7);
    await mkdir(join(batches, 'train'), { recursive: true });
    const [part] = planParts(config);
    assert.ok(part);
    await maker.make(part);
    writer.close();
    const name = join('train', 'part-00000.parquet');
    assert.ok((await readFile(join(batches, name))).equals(await readFile(join(out, name))));
  });

  it('writes other bytes for another seed', async () => {
    const other = join(folder, 'other-seed');
    await simulate(smallConfig({ seed: 2, drift: DRIFT, ...PARTS }), { out: other, threads: 1 });
    const [mine, theirs] = [await files(out), await files(other)];
    for (const [name, bytes] of mine) {
      if (name.endsWith('.parquet')) assert.notEqual(theirs.get(name), bytes, name);
    }
  });

  it('fills every column as the roles want it', async () => {
    const rules = [
      '(shown = 1) = (click IS NOT NULL)',
      '(shown = 1) = (conversion IS NOT NULL)',
      "(ectr IS NOT NULL) = (ctr_traffic = 1) AND (ctr_traffic = 0) = (objective = 'postImpression')",
      "(ecvr IS NOT NULL) = (objective = 'postClick') AND (early_cvr IS NOT NULL) = (objective = 'postClick')",
      "(evtr IS NOT NULL) = (objective = 'postImpression') AND (early_vtr IS NOT NULL) = (objective = 'postImpression')",
      "(shown = 1) = (stage IN ('impression', 'click', 'conversion'))",
      "stage IN ('early', 'auction', 'impression', 'click', 'conversion')",
      'bid > 0 AND isfinite(cqs) AND isfinite(total_value) AND isfinite(user_f0) AND isfinite(cross_match)',
      '(p_misleading IS NOT NULL) = (request_id >= 100) AND (cqs_version = 1) = (request_id >= 100)',
      '(misleading IS NOT NULL) = (request_id >= 100 AND shown = 1) AND (teacher_version = 1) = (request_id >= 100)',
    ];
    for (const log of ['train', 'eval', 'replay']) {
      for (const rule of rules) {
        const [[broken] = []] = await select('count(*)::INTEGER', log, `WHERE NOT (${rule})`);
        assert.equal(broken, 0, `${log}: ${rule}`);
      }
    }
    const [[disorder] = []] = await duckdb(
      `SELECT count(*)::INTEGER FROM
       (SELECT ts < lag(ts) OVER (ORDER BY request_id, ad_id) AS back FROM '${out}/train/*.parquet') WHERE back`,
    );
    assert.equal(disorder, 0);
  });

  it('logs total values that its own columns explain', async () => {
    const cqs = (scalars: string) => `list_sum(list_transform([${scalars}], x -> coalesce(x, 0)))`;
    const events = '-1.5 * p_cross_out, -p_hide, -2.5 * p_report, .125 * p_survey_good, .1125 * p_engaged_view';
    const [[quality, value] = []] = await select(
      `max(abs(cqs - ${cqs(`${events}, -1.25 * p_misleading`)})),
       max(abs(total_value - (bid * coalesce(evtr, ectr * coalesce(ecvr, 1)) + cqs)))`,
      'replay',
    );
    assert.ok(Number(quality) < 1e-6, `${quality}`);
    assert.ok(Number(value) < 1e-5, `${value}`);
  });

  it('keeps the truth of eval and replay beside them, row for row', async () => {
    const [[rows, error] = []] = await duckdb(
      `SELECT count(*)::INTEGER, avg(ln(ectr / (1 - ectr)) - ln(true_click / (1 - true_click)))
       FROM '${out}/replay/*.parquet' JOIN '${out}/truth/replay/*.parquet' USING (request_id, ad_id)
       WHERE ectr IS NOT NULL`,
    );
    assert.ok(Number(rows) > 500);
    assert.ok(Math.abs(Number(error)) < 0.06, `${error}`);
  });

  it('writes a configuration that reads back to the same', async () => {
    const path = join(out, 'simulation.yaml');
    assert.equal(simulationYaml(loadSimulation(path)), await readFile(path, 'utf8'));
  });

  it("takes the user's own stages", async () => {
    const logs = join(folder, 'own-stage');
    const exact = smallConfig({ teacher: { noise: 0 }, early: { conversionNoise: 0 }, requests: { train: 10 } });
    const summary = await simulate(exact, {
      out: logs,
      stages: (system) => ({
        early: new OracleEarly(system, { noise: 0, events: system.truth.events.map((event) => event.name) }),
      }),
    });
    assert.deepEqual([summary.logs.replay.hardRecall, summary.logs.replay.softRecall], [1, 1]);
  });

  it('reports the recall of the early stage as metrics.md defines it', async () => {
    const config = smallConfig({ requests: { train: 1 } });
    const { logs } = await simulate(config, { out: join(folder, 'recall'), threads: 1 });
    const system = new SimulatedSystem(config);
    const { Cascade } = await import('../../src/cascade/cascade.js');
    const cascade = new Cascade(system);
    const early: number[] = [];
    const final: number[] = [];
    const requests: number[] = [];
    for (const batch of system.requests(31, 51)) {
      const served = await cascade.serve(batch);
      early.push(...served.early.value);
      final.push(...(await cascade.score(served.retrieved)).values.totalValue);
      requests.push(...served.retrieved.request);
    }
    const expected = hardRecall(early, final, requests, 12).value ?? 0;
    assert.ok(Math.abs((logs.replay.hardRecall ?? 0) - expected) < 1e-12);
  });

  for (const preset of PRESET_NAMES) {
    it(`runs a small version of the preset ${preset}`, async () => {
      const small = {
        world: { users: 300, ads: 400 },
        cascade: { retrieved: 40, passed: 25 },
        requests: { train: 40, eval: 5, replay: 5 },
      };
      const { logs } = await simulate(loadSimulation({}, { preset, overrides: small }), {
        out: join(folder, preset),
        threads: 1,
      });
      assert.deepEqual([logs.train.requests, logs.eval.requests, logs.replay.rows], [40, 5, 200]);
    });
  }

  it('refuses a folder with content', async () => {
    const full = join(folder, 'full');
    await mkdir(full);
    await writeFile(join(full, 'file'), '');
    await assert.rejects(simulate(smallConfig(), { out: full }), { code: 'RUN_EXISTS' });
  });

  for (const threads of [1, 2]) {
    it(`leaves nothing behind when it is interrupted, with ${threads} threads`, async () => {
      const stop = new AbortController();
      const stopped = join(folder, 'stopped');
      const config = smallConfig({ requests: { train: 20_000 }, log: { rowsPerFile: 800 } });
      let seen = 0;
      const onProgress = (): void => {
        seen += 1;
        stop.abort();
      };
      await assert.rejects(simulate(config, { out: stopped, threads, signal: stop.signal, onProgress }), {
        code: 'CANCELLED',
      });
      assert.ok(seen <= threads);
      assert.deepEqual(
        (await readdir(folder)).filter((name) => name.startsWith('stopped')),
        [],
      );
    });

    it(`says what a file kept it from writing, with ${threads} threads`, async () => {
      const out2 = join(folder, `broken-${threads}`);
      const config = smallConfig({ requests: { train: 400 }, log: { rowsPerFile: 800 } });
      const removeFolder = (): void => {
        rmSync(`${out2}.tmp-${process.pid}`, { recursive: true, force: true });
      };
      await assert.rejects(simulate(config, { out: out2, threads, onProgress: removeFolder }), { code: 'IO_ERROR' });
    });
  }
});

describe('prerank simulate on the command line', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-simulate-cli-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const TINY = ['requests.train=20', 'requests.eval=5', 'requests.replay=5', 'cascade.retrieved=50'];

  it('runs a preset with changes and prints JSON', async () => {
    const out = join(folder, 'paper');
    const settings = TINY.flatMap((setting) => ['--set', setting]);
    const result = await runPrerank(
      'simulate',
      '--preset',
      'paper',
      '--out',
      out,
      '--seed',
      '7',
      '--json',
      ...settings,
    );
    assert.equal(result.status, 0, result.stderr);
    const summary = JSON.parse(result.stdout) as SimulateSummary & { out: string };
    assert.equal(summary.out, out);
    const { seconds, scored, scoredPerSecond } = summary;
    assert.equal(seconds.models, 0);
    assert.ok(Math.abs(scoredPerSecond * seconds.scoring - scored) < 1e-6 * scored, 'oracles score every pair');
    assert.equal(summary.logs.train.rows, 200);
    assert.equal(loadSimulation(join(out, 'simulation.yaml')).seed, 7);
  });

  it('exits with 2 and names what is wrong', async () => {
    const config = join(folder, 'bad.yaml');
    await writeFile(config, 'cascade:\n  passed: 400\n');
    const result = await runPrerank('simulate', config, '--out', join(folder, 'bad'));
    assert.equal(result.status, 2);
    assert.match(result.stderr, /bad\.yaml:2: cascade\.passed: more than the 300 retrieved ads/);
    assert.equal((await runPrerank('simulate')).status, 2);
    assert.equal((await runPrerank('simulate', '--preset', 'tiny', '--out', folder)).status, 2);
    assert.equal(existsSync(join(folder, 'bad')), false);
  });
});
