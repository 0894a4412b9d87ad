/** docs/models.md: its configurations are valid, its sizes those of the models. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { modelSchema } from '../../src/config/model-schema.js';
import { type ModelConfig, taskModeOf } from '../../src/config/models.js';
import { configSchema } from '../../src/config/schema.js';
import type { ModelTask } from '../../src/models/model.js';
import { predictionProgram, trainingProgram } from '../../src/models/registry.js';
import { operationCost } from '../../src/runtime/plan-cost.js';
import { CONVERSIONS, categorical, featureMap, table, WHOLE_CHAIN } from '../models/fixtures.js';
import { tableRows } from './keys.js';

const markdown = readFileSync(new URL('../../../docs/models.md', import.meta.url), 'utf8');

/** The tasks that a model's size is given with. */
function tasksOf(config: ModelConfig): readonly ModelTask[] {
  const conversions = CONVERSIONS[taskModeOf(config) ?? 'separate'];
  switch (config.kind) {
    case 'ecm':
      return WHOLE_CHAIN.slice(0, 3);
    case 'ecmm':
      return WHOLE_CHAIN.filter(({ name }) => name !== 'ctr');
    case 'vector-product':
    case 'cold':
    case 'fscd':
      return conversions.slice(0, 1);
    default:
      return conversions;
  }
}

describe('docs/models.md', () => {
  const blocks = [...markdown.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const sizes = tableRows(markdown);

  for (const [i, block] of blocks.entries()) {
    it(`shows a valid configuration, block ${i + 1}`, () => {
      const features = [{ name: 'ad', kind: 'categorical' }];
      const parsed = configSchema.safeParse({ ...parse(block), data: { train: 'log.parquet', features } });
      assert.deepEqual(parsed.error?.issues ?? [], []);
    });
  }

  it('has a section with a configuration for every model of its table', () => {
    const shown = new Set(blocks.map((block) => (parse(block) as { model: { kind: string } }).model.kind));
    const sections = [...markdown.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    assert.ok(sizes.size >= 7);
    for (const kind of sizes.keys()) {
      assert.ok(shown.has(kind), kind);
      assert.ok(sections.includes(kind), kind);
    }
  });

  it('gives the sizes of the models', () => {
    const names = Array.from({ length: 18 }, (_, i) => `f${i}`);
    const features = featureMap(
      names.map((name, i) => categorical(name, i < 9 ? 'context' : 'ad')),
      names.map((name) => table(name, 10, 5)),
    );
    for (const [kind, [parameters, operations]] of sizes) {
      const config = modelSchema.parse({ kind, embeddingDim: 5 }) as ModelConfig;
      const tasks = tasksOf(config);
      const dense = trainingProgram(config, features, tasks).parameters.filter((parameter) => !parameter.table);
      const count = dense.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      assert.equal(Number(parameters), count, kind);
      const { plan } = predictionProgram(config, features, tasks);
      const ops = plan.segments.flatMap((segment) => segment.ops).filter((op) => op.kind !== 'embedding');
      assert.equal(
        Number(operations),
        ops.reduce((sum, op) => sum + operationCost(plan, op, 1).flops, 0),
        kind,
      );
    }
  });
});
