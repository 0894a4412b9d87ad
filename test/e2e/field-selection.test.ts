/** Choosing fields: what cold and fscd find useless among planted fields, and training again on the others. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { openRun, selectFields, type TrainSummary, train } from '../../src/index.js';
import { chainConfig, chainFields, writeChainLog } from '../support/chain-log.js';
import { runPrerank } from '../support/sample-run.js';

const LOG = { requests: 900, useful: 11, useless: 11 };
const { useful, useless } = chainFields(LOG);
const trunk = { hidden: [32, 16] };
const complexity = { weight: 0.004, operations: { user: 0, ad: 0, context: 3 } };

type Model = { readonly kind: string; readonly [setting: string]: unknown };

describe('field selection on a log with 11 useful and 11 useless fields', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-fields-'));
    await writeChainLog(folder, LOG);
  });
  after(() => rm(folder, { recursive: true }));

  const configOf = (model: Model, training: object = {}): ConfigInput => {
    const shared = chainConfig(folder, LOG);
    const tasks = { etr: {} };
    return {
      ...shared,
      training: { ...shared.training, denseOptimizer: { lr: 0.02 }, ...training },
      model: { embeddingDim: 4, trunk, ...model },
      tasks,
    } as ConfigInput;
  };

  for (const model of [
    { kind: 'cold', selection: { keep: 11 } },
    { kind: 'fscd', complexity, selection: { keep: 11 } },
  ]) {
    describe(model.kind, () => {
      let out = '';
      let summary: TrainSummary;
      before(async function () {
        this.timeout(120_000);
        out = join(folder, model.kind);
        summary = await train(loadConfig(configOf(model)), { out });
      });

      it('drops at least 9 of the 11 useless fields', async () => {
        const run = await openRun(out);
        const kept = run.config.model.fields ?? [];
        assert.equal(kept.length, 11);
        const search: TrainSummary = JSON.parse(await readFile(join(out, 'search', 'summary.json'), 'utf8'));
        const shown = JSON.stringify(search.gates);
        assert.deepEqual(Object.keys(search.gates?.fields ?? {}).sort(), [...useful, ...useless].sort());
        assert.ok(kept.filter((name) => useless.includes(name)).length <= 2, shown);
        assert.deepEqual(await selectFields(join(out, 'search'), 11), kept);
      });

      it('trains the fields kept without gates, and loses little', async () => {
        const run = await openRun(out);
        assert.equal(
          run.store
            .parameters()
            .some(
              ({ name }) =>
                useless.some((field) => name.endsWith(field)) &&
                !(run.config.model.fields ?? []).some((field) => name.endsWith(field)),
            ),
          false,
        );
        const search: TrainSummary = JSON.parse(await readFile(join(out, 'search', 'summary.json'), 'utf8'));
        const [before, after] = [search, summary].map(({ metrics }) => metrics.eval?.etr?.auc ?? 0);
        assert.ok((after ?? 0) > (before ?? 1) - 0.01, `${before} with all fields, ${after} with 11`);
        assert.equal(summary.gates, undefined);
        assert.equal(existsSync(join(out, 'data')), false);
        assert.equal(run.config.training.startFrom, model.kind === 'fscd' ? join(out, 'search') : undefined);
      });

      it('leaves a finished run as it is when it is resumed', async () => {
        const again = await train(loadConfig(configOf(model)), { out, resume: true });
        assert.deepEqual(again, summary);
      });
    });
  }

  it('chooses fields and trains all of them again, as the released code of cold', async () => {
    const model = { kind: 'cold', selection: { keep: 11 }, releaseCompat: true };
    const out = join(folder, 'released');
    const { gates } = await train(loadConfig(configOf(model, { epochs: 1 })), { out });
    assert.equal((await selectFields(join(out, 'search'), 11)).length, 11);
    assert.equal(Object.keys(gates?.fields ?? {}).length, 22);
    const { config } = await openRun(out);
    assert.ok(config.model.kind === 'cold' && config.model.fields === undefined && !config.model.releaseCompat);
  }).timeout(60_000);

  it('draws the same gates when a run is stopped and resumed', async () => {
    const run = async (name: string, ...stops: number[]): Promise<Buffer> => {
      const out = join(folder, name);
      for (const [i, steps] of stops.entries()) {
        const config = configOf({ kind: 'fscd', complexity }, { epochs: undefined, steps });
        await train(loadConfig(config), { out, resume: i > 0 });
      }
      return readFile(join(out, 'model', 'model.safetensors'));
    };
    assert.ok((await run('resumed', 7, 20)).equals(await run('in one go', 20)));
  }).timeout(60_000);

  it('keeps a field the less likely the more it costs', async () => {
    const dear = useful.slice(0, 2);
    const keep = async (operations: number): Promise<number[]> => {
      const fields = dear.map((field) => ({ field, operations }));
      const model = { kind: 'fscd', complexity: { ...complexity, operations: { context: 0 }, fields } };
      const config = configOf(model, { epochs: 3 });
      const { gates } = await train(loadConfig(config), { out: join(folder, `cost ${operations}`) });
      return dear.map((field) => gates?.fields?.[field] ?? Number.NaN);
    };
    const [none, some, much] = [await keep(0), await keep(10), await keep(40)];
    for (const i of dear.keys()) {
      const probabilities = [none, some, much].map((each) => each?.[i] ?? Number.NaN) as [number, number, number];
      const [first, second, third] = probabilities;
      assert.ok(first > second && second > third, probabilities.join(', '));
    }
  }).timeout(120_000);

  describe('afterwards', () => {
    it('shows the fields of a run by their weight', async () => {
      const { stdout } = await runPrerank('inspect', join(folder, 'fscd', 'search'));
      const weights = [...stdout.matchAll(/(?:f|noise)\d+ +([01]\.\d{4})$/gm)].map(([, weight]) => Number(weight));
      assert.equal(weights.length, 22, stdout);
      assert.deepEqual(
        weights,
        weights.toSorted((x, y) => y - x),
      );
    });

    it('refuses to keep more fields than there are', async () => {
      await assert.rejects(selectFields(join(folder, 'cold', 'search'), 23), { code: 'CONFIG_INVALID' });
      await assert.rejects(selectFields(join(folder, 'cold'), 5), { code: 'UNSUPPORTED' });
    });
  });
});
