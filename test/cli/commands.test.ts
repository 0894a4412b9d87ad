import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duckdb, prerank, runPrerank, sampleConfig, writeConfig, writeLogs } from '../support/sample-run.js';

describe('commands on a small log', () => {
  let folder: string;
  let config: string;
  let run: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-cli-'));
    await writeLogs(folder, { train: 1024, eval: 256 });
    config = await writeConfig(folder, sampleConfig(folder));
    run = join(folder, 'run');
    const { status, stderr, stdout } = prerank('train', config, '--out', run, '--set', 'training.epochs=1', '--json');
    assert.equal(status, 0, stderr);
    const summary = JSON.parse(stdout) as Record<string, unknown>;
    assert.equal(summary.step, 8);
    assert.equal(typeof summary.samplesPerSecond, 'number');
    assert.equal(typeof summary.waitShare, 'number');
    assert.match(stderr, /step 8\/8 .* rows\/s/);
    assert.match(stderr, /^train: encoding$/m);
  });
  after(() => rm(folder, { recursive: true }));

  it('evaluate prints a table and writes JSON', async () => {
    const { status, stdout, stderr } = await runPrerank('evaluate', run);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /ctr +rows +\d+/);
    assert.match(stdout, /replay +k +3/);
    const written = JSON.parse(await readFile(join(run, 'evaluation.json'), 'utf8')) as object;
    const printed = JSON.parse((await runPrerank('evaluate', run, '--json')).stdout) as object;
    assert.deepEqual(printed, written);
  });

  it('evaluate takes other data and another K', async () => {
    const data = join(folder, 'train.parquet');
    const { status, stdout, stderr } = await runPrerank('evaluate', run, '--data', data, '--k', '2', '--json');
    assert.equal(status, 0, stderr);
    const result = JSON.parse(stdout) as { rows: number; replay: { k: number } };
    assert.equal(result.rows, 1024);
    assert.equal(result.replay.k, 2);
  });

  it('predict reads CSV without labels and writes Parquet', async () => {
    const csv = join(folder, 'ads.csv');
    await duckdb(
      `COPY (SELECT request_id, user_id, ad_id, x FROM '${join(folder, 'eval.parquet')}') TO '${csv}' (FORMAT csv)`,
    );
    const out = join(folder, 'scores', 'ads.parquet');
    const { status, stderr } = await runPrerank('predict', run, csv, '--out', out);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /error \[COLUMN_MISSING\].*topics/s);
    const json = join(folder, 'ads.json');
    await duckdb(
      `COPY (SELECT request_id, user_id, ad_id, x, topics FROM '${join(folder, 'eval.parquet')}') TO '${json}' (FORMAT json)`,
    );
    const second = await runPrerank('predict', run, json, '--out', out, '--json');
    assert.equal(second.status, 0, second.stderr);
    const [row] = await duckdb(`SELECT count(*)::INTEGER, count(ctr)::INTEGER FROM '${out}'`);
    assert.deepEqual(row, [256, 256]);
  });

  it('inspect shows a log and a run', async () => {
    const log = await runPrerank('inspect', join(folder, 'train.parquet'));
    assert.equal(log.status, 0, log.stderr);
    assert.match(log.stdout, /train\.parquet: 1024 rows/);
    assert.match(log.stdout, /user_id +VARCHAR +0/);
    const shown = await runPrerank('inspect', run);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /embeddings\.ad_id +\[\d+, 8\]/);
    const json = JSON.parse((await runPrerank('inspect', run, '--json')).stdout) as { parameterCount: number };
    assert.ok(json.parameterCount > 0);
  });

  it('doctor says what there is', async () => {
    const { status, stdout } = await runPrerank('doctor', '--json');
    assert.equal(status, 0, stdout);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string }[] };
    assert.deepEqual(
      checks.map(({ name }) => name),
      ['Node.js', 'native core', 'processor', 'CUDA', 'DuckDB', 'tfjs', 'huge pages'],
    );
  });

  it('refuses the folder of a run without --resume', async () => {
    const { status, stderr } = await runPrerank('train', config, '--out', run);
    assert.equal(status, 2);
    assert.match(stderr, /error \[RUN_EXISTS\].*--resume/);
  });

  it('refuses a run whose model was cut or changed', async () => {
    const model = join(run, 'model', 'model.safetensors');
    const copy = join(folder, 'model.copy');
    await copyFile(model, copy);
    try {
      await truncate(model, 1000);
      const cut = await runPrerank('evaluate', run);
      assert.equal(cut.status, 2);
      assert.match(cut.stderr, /error \[CHECKPOINT_INVALID\].*safetensors/);
      await writeFile(model, 'garbage garbage garbage');
      assert.match((await runPrerank('evaluate', run)).stderr, /error \[CHECKPOINT_INVALID\]/);
    } finally {
      await copyFile(copy, model);
    }
  });

  it('refuses the checkpoint of another model, naming the tensors', async () => {
    const other = join(folder, 'other');
    const set = ['--set', 'training.epochs=1', '--set', 'model.heads.hidden=[4]'];
    assert.equal((await runPrerank('train', config, '--out', other, ...set)).status, 0);
    await copyFile(join(other, 'model', 'model.safetensors'), join(folder, 'swapped'));
    await copyFile(join(run, 'model', 'model.safetensors'), join(other, 'model', 'model.safetensors'));
    const { status, stderr } = await runPrerank('evaluate', other);
    assert.equal(status, 2);
    assert.match(
      stderr,
      /error \[CHECKPOINT_MISMATCH\].*heads\.ctr\.0\.weight is \[8,\d+\], the model needs \[4,\d+\]/,
    );
  });

  const trainSql = (select: string): readonly string[] => [
    '--set',
    `data.train={ sql: "${select}", directory: "${folder}" }`,
  ];
  const all = "FROM 'train.parquet'";
  const bad: readonly (readonly [what: string, args: () => readonly string[], message: RegExp])[] = [
    ['a missing column', () => ['--set', 'data.columns.click=clicked'], /\[COLUMN_MISSING\].*clicked/s],
    ['a wrong type', () => trainSql(`SELECT * REPLACE ('a' AS x) ${all}`), /\[COLUMN_TYPE\].*"x"/s],
    [
      'a NaN feature',
      () => trainSql(`SELECT * REPLACE (CASE WHEN ts = 5 THEN 'nan'::DOUBLE ELSE x END AS x) ${all}`),
      /\[TOO_MANY_BAD_ROWS\].*row \d+: feature "x" is NaN/s,
    ],
    [
      'an infinite feature',
      () => trainSql(`SELECT * REPLACE (CASE WHEN ts = 5 THEN 'inf'::DOUBLE ELSE x END AS x) ${all}`),
      /\[TOO_MANY_BAD_ROWS\].*row \d+: feature "x" is Infinity/s,
    ],
    [
      'a label outside its range',
      () => trainSql(`SELECT * REPLACE (ectr + 1 AS ectr) ${all}`),
      /\[TOO_MANY_BAD_ROWS\].*row \d+: finalCtr is outside \[0, 1\]/s,
    ],
    [
      'an id list with null',
      () => trainSql(`SELECT * REPLACE ([ad_id, NULL] AS topics) ${all}`),
      /\[TOO_MANY_BAD_ROWS\].*row \d+: feature "topics" has a null in its list/s,
    ],
    [
      'a click without impression',
      () => trainSql(`SELECT * REPLACE (1 AS click, 0 AS shown) ${all}`),
      /\[TOO_MANY_BAD_ROWS\].*row 1: click without impression/s,
    ],
    ['zero rows', () => trainSql(`SELECT * ${all} WHERE false`), /\[DATA_EMPTY\].*no rows/],
    ['an empty file', () => ['--set', `data.train=${join(folder, 'empty.parquet')}`], /\[DATA_EMPTY\].*empty\.parquet/],
    [
      'a truncated Parquet file',
      () => ['--set', `data.train=${join(folder, 'cut.parquet')}`],
      /\[DATA_INVALID\].*cut\.parquet/,
    ],
    [
      'a truncated Arrow file',
      () => ['--set', `data.train=${join(folder, 'cut.arrow')}`],
      /\[DATA_INVALID\].*cut\.arrow/,
    ],
    ['a file that is not there', () => ['--set', 'data.train=/nowhere.parquet'], /\[DATA_NOT_FOUND\].*nowhere/],
    ['an unknown key', () => ['--set', 'training.batchsize=3'], /\[CONFIG_INVALID\].*batchsize/],
  ];
  describe('bad input', () => {
    before(async () => {
      await writeFile(join(folder, 'empty.parquet'), '');
      await copyFile(join(folder, 'train.parquet'), join(folder, 'cut.parquet'));
      await truncate(join(folder, 'cut.parquet'), 4000);
      const [part] = ['part-00000.arrow'];
      await copyFile(join(run, 'data', 'train', part ?? ''), join(folder, 'cut.arrow'));
      await truncate(join(folder, 'cut.arrow'), 2000);
    });
    for (const [what, args, message] of bad) {
      it(`${what} exits with 2 and a message`, async () => {
        const out = join(folder, 'bad');
        const { status, stderr } = await runPrerank('train', config, '--out', out, ...args());
        assert.equal(status, 2, stderr);
        assert.match(stderr, message);
        assert.ok(!existsSync(join(out, 'summary.json')));
      });
    }
  });
});
