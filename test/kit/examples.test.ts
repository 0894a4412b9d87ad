import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Runs an example as a user would and returns what it prints. */
async function runExample(path: string, args: readonly string[]): Promise<string> {
  const script = join(ROOT, 'examples', path);
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args], { cwd: ROOT });
  return stdout;
}

describe('examples', function () {
  this.timeout(180_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'prerank-examples-'));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('01 the early-stage model keeps more value than clicks alone, and both more than chance', async () => {
    const output = await runExample('01-quickstart/quickstart.mjs', ['--out', folder]);
    const recallOf = (name: string): number => {
      const line = output.split('\n').find((candidate) => candidate.startsWith(name));
      assert.ok(line, `no line for ${name} in\n${output}`);
      return Number(line.trim().split(/\s+/).at(-1));
    };
    const [random, clicksOnly, earlyStage] = ['random ranker', 'clicks alone', 'early-stage model'].map(recallOf);
    assert.ok(random !== undefined && clicksOnly !== undefined && earlyStage !== undefined);
    assert.ok(random > 0 && random < clicksOnly, output);
    assert.ok(clicksOnly < earlyStage && earlyStage <= 1, output);
    assert.ok(existsSync(join(folder, 'early-stage', 'model', 'model.safetensors')));
  });

  it('02 trains on CSV files and writes predictions', async () => {
    const output = await runExample('02-own-logs/own-logs.mjs', ['--out', join(folder, 'own')]);
    const auc = Number(/AUC on the test file: ([\d.]+)/.exec(output)?.[1]);
    assert.ok(auc > 0.55, output);
    assert.ok(existsSync(join(folder, 'own', 'scores.parquet')));
  });

  it('03 a model written with the graph API learns', async () => {
    const output = await runExample('03-graph-api/mixture.mjs', []);
    const [first, last] = [...output.matchAll(/(\d\.\d+) in the/g)].map((match) => Number(match[1]));
    assert.ok(first !== undefined && last !== undefined && last < 0.8 * first, output);
  });

  it('04 a script ingests record batches, looks at the dataset and trains on it', async () => {
    const out = join(folder, 'batches');
    const output = await runExample('04-record-batches/record-batches.mjs', ['--out', out]);
    const numbersOf = (line: RegExp): number[] => (line.exec(output) ?? []).slice(1).map(Number);
    const [trained, evaluated] = numbersOf(/encoded (\d+) rows to train on and (\d+) to evaluate on/);
    const [ads, rows, row, count] = numbersOf(/ads: (\d+) in (\d+) rows; .* has row (\d+) .*, (\d+) times/);
    const [auc] = numbersOf(/click AUC on the evaluation rows: ([\d.]+)/);
    assert.ok(trained !== undefined && evaluated !== undefined && evaluated > 0 && trained > 2 * evaluated, output);
    assert.ok(ads !== undefined && count !== undefined && count > trained / ads, output);
    assert.equal(rows, trained);
    assert.equal(row, 1, 'the first row after out-of-vocabulary is the most frequent value');
    assert.ok(auc !== undefined && auc > 0.55, output);
    assert.ok(existsSync(join(out, 'dataset', 'train', 'dataset.json')));
  });

  it('05 a server scores requests with vectors of ads, one of which changes', async () => {
    const output = await runExample('05-serving/serving.mjs', ['--out', join(folder, 'serving')]);
    assert.match(output, /^300 ads, 32 numbers each$/m);
    assert.ok(Number(/predicted CTR (0\.\d+)/.exec(output)?.[1]) > 0, output);
    assert.match(output, /50 requests of 1000 ads, median [\d.]+ ms/);
    const [first, next, changed, same] = (
      /next ad: ([\d.]+) and ([\d.]+) become ([\d.]+) and ([\d.]+)/.exec(output) ?? []
    )
      .slice(1)
      .map(Number);
    assert.ok(first !== undefined && first !== changed, output);
    assert.equal(next, same);
  });
});
