import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAddon } from '../../src/runtime/load.js';
import { prerankWith, sampleConfig, writeConfig, writeLogs } from '../support/sample-run.js';
import { skip } from '../support/skip.js';

/** The first is what every processor of the architecture has. */
const ISAS = process.arch === 'x64' ? ['baseline', 'avx2', 'avx512', 'avx512bf16', 'amx'] : ['neon'];

interface Summary {
  readonly metrics: { readonly eval: { readonly ctr: { readonly auc: number; readonly ne: number } } };
}

describe('training with every instruction set', () => {
  const best = ISAS.indexOf(loadAddon().info().isa);
  const results = new Map<string, { summary: Summary; model: Buffer }>();
  let folder: string;
  let config: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-isa-'));
    await writeLogs(folder);
    config = await writeConfig(folder, sampleConfig(folder));
  });
  after(() => rm(folder, { recursive: true }));

  async function trained(isa: string, run: string) {
    const out = join(folder, run);
    const { status, stdout, stderr } = prerankWith({ PRERANK_ISA: isa }, 'train', config, '--out', out, '--json');
    assert.equal(status, 0, stderr);
    const summary = JSON.parse(stdout) as Summary;
    return { summary, model: await readFile(join(out, 'model', 'model.safetensors')) };
  }

  for (const [rank, isa] of ISAS.entries()) {
    it(`${isa}: is what doctor reports, repeats its bytes and agrees with the baseline`, async function () {
      if (rank > best) skip(this, `this processor has no ${isa}`);
      const doctor = prerankWith({ PRERANK_ISA: isa }, 'doctor');
      assert.match(doctor.stdout, new RegExp(`instruction set ${isa}`));
      const first = await trained(isa, isa);
      const second = await trained(isa, `${isa}-again`);
      assert.deepEqual(first.model, second.model);
      results.set(isa, first);
      const baseline = results.get(ISAS[0] ?? '');
      assert.ok(baseline);
      const { auc, ne } = first.summary.metrics.eval.ctr;
      assert.ok(Math.abs(auc - baseline.summary.metrics.eval.ctr.auc) < 5e-3, `AUC ${auc}`);
      assert.ok(Math.abs(ne - baseline.summary.metrics.eval.ctr.ne) < 5e-3, `NE ${ne}`);
    });
  }
});
