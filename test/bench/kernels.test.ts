import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VIEWS } from '../../src/bench/kernel-cases.js';
import { planOf } from '../../src/bench/kernel-plan.js';
import { allCases, benchKernels, type KernelsResult } from '../../src/bench/kernels.js';
import { compareKernels, readKernelsBase } from '../../src/bench/kernels-compare.js';
import { formatComparison, formatKernels, kernelsCsv } from '../../src/bench/kernels-text.js';
import { loadAddon } from '../../src/runtime/load.js';
import { operationCost, sparseUpdateCost } from '../../src/runtime/plan-cost.js';

const FEW = ['rowDot', 'linear.dw', 'loss', 'expand.grad'];

describe('bench: kernels', () => {
  let result: KernelsResult;
  before(async () => {
    result = await benchKernels(loadAddon(), { operations: FEW, rounds: 2, samples: 3 });
  });

  it('has a case for every operation of the core that runs code', () => {
    const timed = new Set(allCases('float32').map(({ op }) => op));
    const missing = loadAddon()
      .info()
      .kernels.filter((kind) => !timed.has(kind) && !VIEWS.has(kind));
    assert.deepEqual(missing, []);
  });

  it('counts arithmetic and bytes from the shapes', () => {
    const weight = { width: 12, domain: 'none', shape: [4, 3] } as const;
    const plan = planOf({ kind: 'linear', inputs: [{ width: 3 }, weight], outputs: [{ width: 4 }] });
    const [op] = plan.segments[0]?.ops ?? [];
    assert.ok(op);
    // 10 rows: 10 · 3 · 4 multiply-adds; 30 inputs, 12 weights and 40 outputs of 4 bytes.
    assert.deepEqual(operationCost(plan, op, 10), { flops: 240, bytes: 328 });
    // 6 ids in 4 distinct rows of 8 floats with one of state: reads 6 · (8 + 3), moves 4 · 9 twice.
    assert.equal(sparseUpdateCost(6, 4, 8, 1).bytes, 4 * (66 + 72));
  });

  it('reports rates that follow from time and cost, against the measured roof', () => {
    assert.deepEqual([...new Set(result.results.map(({ op }) => op))].sort(), [...FEW].sort());
    for (const { op, shape, seconds, gflops, gbps, roofShare } of result.results) {
      assert.equal(seconds.samples, 6, `${op} ${shape}`);
      assert.ok(seconds.best <= seconds.low && seconds.low <= seconds.p50 && seconds.p50 <= seconds.high);
      assert.ok(gflops > 0 && gbps > 0 && roofShare > 0, `${op} ${shape}`);
    }
    const product = result.results.find(({ op, shape }) => op === 'linear.dw' && shape === '256x292x256');
    assert.ok(product);
    const expected = (2 * 256 * 292 * 256) / product.seconds.p50 / 1e9;
    assert.ok(Math.abs(product.gflops / expected - 1) < 1e-9);
    const { flops, products } = result.roof;
    assert.ok(flops > 1e9);
    assert.ok(products.bfloat16 >= products.float32 && products.float32 >= flops);
    assert.ok(result.roof.bandwidth.every(({ read, copy }) => read > 1e8 && copy > 1e8));
  });

  it('rounds the operands of dense layers to bfloat16, and nothing else', async () => {
    const options = { operations: ['linear.dw', 'mul'], rounds: 1, samples: 1, matmul: 'bfloat16' } as const;
    const rounded = await benchKernels(loadAddon(), options);
    for (const { op, dtype, gflops } of rounded.results) {
      assert.equal(dtype, op === 'mul' ? 'float32' : 'bfloat16');
      assert.ok(gflops > 0);
    }
    assert.match(formatKernels(rounded), /linear\.dw +256x292x256 bfloat16/);
    await assert.rejects(benchKernels(loadAddon(), { ...options, matmul: 'tf32' }), {
      code: 'CONFIG_INVALID',
      message: /tf32 products need a GPU/,
    });
  });

  it('refuses an operation that is not there', async () => {
    const options = { operations: ['matmul'], rounds: 1, samples: 1 };
    await assert.rejects(benchKernels(loadAddon(), options), {
      code: 'USAGE',
      message: /no operation matmul; there are .*linear/,
    });
  });

  it('prints a table and a CSV line per case', () => {
    const lines = kernelsCsv(result).split('\n');
    assert.equal(lines.length, result.results.length + 1);
    const columns = lines[0]?.split(',').length;
    assert.ok(lines.every((line) => line.replaceAll(/"[^"]*"/g, '').split(',').length === columns));
    assert.match(formatKernels(result), /linear\.dw +256x292x256/);
  });

  it('compares with an earlier result by the intervals of both', () => {
    const at = (p50: number, low: number, high: number) => ({ p50, low, high });
    const one = (shape: string, seconds: ReturnType<typeof at>) => ({ op: 'mul', shape, skew: '', seconds });
    const base = {
      bench: 'kernels' as const,
      results: [one('a', at(2, 1.9, 2.1)), one('b', at(2, 1, 3)), one('c', at(2, 1.9, 2.1)), one('gone', at(1, 1, 1))],
    };
    const [timing] = result.results;
    assert.ok(timing);
    const now = (shape: string, seconds: ReturnType<typeof at>) => ({
      ...timing,
      ...one(shape, seconds),
      seconds: { ...timing.seconds, ...seconds },
    });
    const results = [
      now('a', at(1, 0.9, 1.1)),
      now('b', at(1, 0.9, 1.1)),
      now('c', at(4, 3.8, 4.2)),
      now('new', at(1, 1, 1)),
    ];
    const compared = compareKernels(base, { results });
    assert.deepEqual(
      compared.map(({ shape, verdict }) => [shape, verdict]),
      [
        ['a', 'faster'],
        ['b', 'same'],
        ['c', 'slower'],
      ],
    );
    assert.equal(compared[0]?.speedup, 2);
    assert.ok(Math.abs((compared[0]?.low ?? 0) - 1.9 / 1.1) < 1e-12);
    assert.match(formatComparison(compared), /2\.000x +\[1\.727, 2\.333\] +faster/);
  });

  it('reads the base it wrote and says what is wrong with another file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'prerank-test-'));
    const path = join(folder, 'base.json');
    try {
      writeFileSync(path, JSON.stringify(result));
      assert.equal(compareKernels(readKernelsBase(path), result).length, result.results.length);
      assert.ok(compareKernels(readKernelsBase(path), result).every(({ verdict }) => verdict === 'same'));
      writeFileSync(path, JSON.stringify({ bench: 'step' }));
      assert.throws(() => readKernelsBase(path), { code: 'DATA_INVALID', message: /bench kernels --json/ });
      writeFileSync(path, '{');
      assert.throws(() => readKernelsBase(path), { code: 'DATA_INVALID', message: /no JSON/ });
      assert.throws(() => readKernelsBase(join(folder, 'absent.json')), { code: 'DATA_NOT_FOUND' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
