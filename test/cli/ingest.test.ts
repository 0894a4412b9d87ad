import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tableFromIPC } from 'apache-arrow';
import type { ConfigInput } from '../../src/config/schema.js';
import { duckdb, runPrerank, sampleConfig, startPrerank, writeConfig, writeLogs } from '../support/sample-run.js';
import { skip } from '../support/skip.js';

const PYTHON = process.env.PRERANK_PYTHON ?? 'python3';

interface Result {
  readonly rows: number;
  readonly rejected: number;
  readonly reused: boolean;
  readonly fingerprint: string;
}

interface Results {
  readonly train: Result | null;
  readonly eval: Result | null;
}

describe('prerank ingest', function () {
  this.timeout(120_000);
  let folder: string;
  let config: string;
  let out: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-ingest-'));
    await writeLogs(folder, { train: 2048, eval: 512 });
    config = await writeConfig(folder, sampleConfig(folder));
    out = join(folder, 'dataset');
  });
  after(() => rm(folder, { recursive: true }));

  const run = async (...args: string[]): Promise<Results> => {
    const { status, stdout, stderr } = await runPrerank('ingest', config, '--out', out, '--json', ...args);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Results;
  };

  it('makes both splits, says so as JSON, and does not read them again', async () => {
    const first = await run('--memory', '512MiB', '--threads', '2');
    assert.deepEqual([first.train?.rows, first.eval?.rows], [2048, 512]);
    assert.deepEqual([first.train?.reused, first.eval?.reused], [false, false]);
    for (const split of ['train', 'eval']) {
      assert.deepEqual(readdirSync(join(out, split)).sort(), [
        'dataset.json',
        'features.json',
        'part-00000.arrow',
        'rejects.jsonl',
      ]);
    }
    const second = await run();
    assert.deepEqual([second.train?.reused, second.eval?.reused], [true, true]);
    assert.equal(second.train?.fingerprint, first.train?.fingerprint);
    assert.equal((await run('--split', 'eval')).train, null);
    const text = await runPrerank('ingest', config, '--out', join(folder, 'again'));
    assert.match(text.stdout, /train: 2048 rows .*in .*again/);
    assert.match(text.stderr, /train: encoding/);
  });

  it('inspect shows the features of a dataset', async () => {
    const { status, stdout, stderr } = await runPrerank('inspect', out);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /dataset\/train: train, 2048 rows in 1 file/);
    assert.match(stdout, /feature +kind +coverage/);
    assert.match(stdout, /topics +multi +1 +0 +7 +0 +2 +2/);
    const { datasets } = JSON.parse((await runPrerank('inspect', out, '--json')).stdout) as {
      datasets: { split: string; fingerprint: string; ingests: { features: { name: string; mean: number }[] }[] }[];
    };
    assert.deepEqual(
      datasets.map(({ split }) => split),
      ['train', 'eval'],
    );
    const x = datasets[0]?.ingests[0]?.features.find(({ name }) => name === 'x');
    assert.ok(x && Math.abs(x.mean) < 0.1);
  });

  it('inspect tells a dataset with a shortened file', async () => {
    const damaged = join(folder, 'shortened');
    await cp(out, damaged, { recursive: true });
    await truncate(join(damaged, 'train', 'part-00000.arrow'), 1000);
    const { status, stderr } = await runPrerank('inspect', damaged);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /DATASET_CHANGED.*part-00000\.arrow: 1000 bytes instead of \d+/);
  });

  it('training maps the folder, takes its columns and features, and evaluates on its eval', async () => {
    const { data, ...rest } = sampleConfig(folder);
    const { shuffle } = data;
    const small: ConfigInput = { ...rest, data: { train: out, shuffle } as ConfigInput['data'] };
    const own = join(folder, 'own.yaml');
    await writeFile(own, JSON.stringify(small));
    const settings = ['--set', 'training.epochs=1'];
    const trained = await runPrerank('train', own, '--out', join(folder, 'mapped'), '--json', ...settings);
    assert.equal(trained.status, 0, trained.stderr);
    assert.equal(existsSync(join(folder, 'mapped', 'data')), false);
    const encoded = await runPrerank('train', config, '--out', join(folder, 'encoded'), '--json', ...settings);
    assert.equal(encoded.status, 0, encoded.stderr);
    const model = (name: string) => readFile(join(folder, name, 'model', 'model.safetensors'));
    assert.ok((await model('mapped')).equals(await model('encoded')));
    const metrics = (text: string): unknown => (JSON.parse(text) as { metrics: { eval: unknown } }).metrics.eval;
    assert.deepEqual(metrics(trained.stdout), metrics(encoded.stdout));
    const evaluated = await runPrerank('evaluate', join(folder, 'encoded'), '--data', join(out, 'eval'), '--json');
    assert.equal(evaluated.status, 0, evaluated.stderr);
    assert.equal((JSON.parse(evaluated.stdout) as { rows: number }).rows, 512);
    const resumed = await runPrerank('train', own, '--out', join(folder, 'mapped'), '--resume', '--json', ...settings);
    assert.equal(resumed.status, 0, resumed.stderr);
  });

  it('names what differs between a dataset and the configuration', async () => {
    const train = (...set: string[]) =>
      runPrerank(
        'train',
        config,
        '--out',
        join(folder, 'refused'),
        ...[`data.train=${out}`, 'data.eval=null', ...set].flatMap((s) => ['--set', s]),
      );
    const features = await train('data.features.user[1].transform=log1p');
    assert.equal(features.status, 2);
    assert.match(features.stderr, /\[CONFIG_INVALID\].*features\.user\.1\.transform.*"standardize".*"log1p"/);
    const columns = await train('data.columns.bid=null');
    assert.match(columns.stderr, /\[CONFIG_INVALID\].*columns\.bid: "bid" → absent/);
    const dim = await train('data.features.ad[0].dim=4', 'training.epochs=1');
    assert.equal(dim.status, 0, dim.stderr);
    const eval_ = await runPrerank(
      'train',
      config,
      '--out',
      join(folder, 'refused2'),
      '--set',
      `data.eval=${join(out, 'train')}`,
    );
    assert.equal(eval_.status, 0, eval_.stderr);
  });

  it('lists bad rows, tolerates as many as --max-bad says, and exits with 2 above', async () => {
    const bad = join(folder, 'bad.parquet');
    await duckdb(
      `COPY (SELECT * REPLACE (CASE WHEN ts % 500 = 7 THEN 'nan'::DOUBLE ELSE x END AS x) FROM '${join(folder, 'train.parquet')}') TO '${bad}'`,
    );
    const target = join(folder, 'tolerant');
    const set = ['--set', `data.train=${bad}`, '--set', 'data.eval=null'];
    const refused = await runPrerank('ingest', config, '--out', target, ...set);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /\[TOO_MANY_BAD_ROWS\].*row 8: feature "x" is NaN/s);
    assert.deepEqual(readdirSync(target), ['train.rejects.jsonl']);
    const { status, stdout } = await runPrerank('ingest', config, '--out', target, ...set, '--max-bad', '5', '--json');
    assert.equal(status, 0);
    assert.equal((JSON.parse(stdout) as Results).train?.rejected, 5);
    const lines = (await readFile(join(target, 'train', 'rejects.jsonl'), 'utf8')).trimEnd().split('\n');
    assert.deepEqual(JSON.parse(lines[1] ?? ''), {
      file: bad,
      row: 508,
      column: 'x',
      value: 'NaN',
      reason: 'feature "x" is NaN',
    });
  });

  it('exits with 130 on SIGINT and leaves nothing', async () => {
    const big = join(folder, 'big.jsonl');
    await duckdb(
      `COPY (SELECT t.* REPLACE (r * 10000 + ts AS ts, r * 10000 + request_id AS request_id) FROM '${join(folder, 'train.parquet')}' t, range(150) s(r)) TO '${big}' (FORMAT json)`,
    );
    const target = join(folder, 'interrupted');
    const { child, exit } = startPrerank(
      'ingest',
      config,
      '--out',
      target,
      '--set',
      `data.train=${big}`,
      '--set',
      'data.eval=null',
    );
    while (!existsSync(target) || readdirSync(target).length === 0) {
      assert.equal(child.exitCode, null);
      await sleep(5);
    }
    await sleep(300);
    child.kill('SIGINT');
    const { status, stderr } = await exit;
    assert.equal(status, 130, stderr);
    assert.match(stderr, /\[CANCELLED\]/);
    assert.deepEqual(readdirSync(target), []);
  });

  it('writes files that apache-arrow and pyarrow read value by value', async function () {
    const file = join(out, 'train', 'part-00000.arrow');
    const table = tableFromIPC(await readFile(file));
    const expected = Object.fromEntries(
      table.schema.fields.map(({ name }) => [
        name,
        Array.from(table.getChild(name) ?? [], (value: unknown) => toPlain(value)),
      ]),
    );
    const [raw = []] = await duckdb(
      `SELECT list(bid::DOUBLE), list(ectr), list(shown), list(len(topics)) FROM '${join(folder, 'train.parquet')}'`,
    );
    const [bids, ctrs, shown, lengths] = (raw as { items: number[] }[]).map(({ items }) => items);
    assert.deepEqual(expected['role.bid'], bids);
    assert.deepEqual(expected['role.finalCtr'], ctrs?.map(Math.fround));
    assert.deepEqual(expected['role.impression'], shown);
    assert.deepEqual(
      (expected['feature.topics'] as number[][]).map((list) => list.length),
      lengths?.map(Number),
    );
    const script = `import json, math, sys, pyarrow.ipc as ipc
table = ipc.open_file(sys.argv[1]).read_all()
table.validate(full=True)
plain = lambda v: None if isinstance(v, float) and math.isnan(v) else v
print(json.dumps({name: [plain(v) for v in table.column(name).to_pylist()] for name in table.column_names}))`;
    const { error, status, stdout, stderr } = spawnSync(PYTHON, ['-c', script, file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    if (error !== undefined) skip(this, `no Python (PRERANK_PYTHON): ${error.message}`);
    if (status !== 0) skip(this, `no Python with pyarrow (PRERANK_PYTHON): ${stderr.trim().split('\n').at(-1)}`);
    assert.deepEqual(JSON.parse(stdout), expected);
  });
});

/** A value as JSON has it: NaN is null. */
function toPlain(value: unknown): unknown {
  if (typeof value === 'number') return Number.isNaN(value) ? null : value;
  return Array.from(value as Iterable<number>);
}
