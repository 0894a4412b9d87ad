/** The schema of `model`: one object per architecture, told apart by `kind`. */
import { z } from 'zod';
import { listNames } from '../base/suggest.js';
import { FIELD_GATES, HEADS, RELEASED_ECMM, TASK_MODES } from './models.js';
import { isPlainObject, type PlainObject } from './override.js';
import { strict } from './strict.js';

const count = z.int().nonnegative();
const positiveCount = z.int().positive();
const nonNegative = z.number().nonnegative();
const fraction = z.number().min(0).lt(1);
const widths = z.array(positiveCount);
const dropout = fraction.default(0);

const keepVectors = z.boolean().default(true);
const INTERACTIONS = [
  strict({ kind: z.literal('dot'), keepVectors }),
  strict({ kind: z.literal('none'), keepVectors }),
  strict({ kind: z.literal('cross'), layers: positiveCount.default(3), rank: positiveCount.default(64) }),
] as const;
const INTERACTION_KINDS = INTERACTIONS.map(({ shape }) => shape.kind.value);

const interaction = z
  .unknown()
  .transform((value) => (isPlainObject(value) ? { kind: 'dot', ...value } : value))
  .pipe(
    z.discriminatedUnion('kind', INTERACTIONS, {
      error: (issue) =>
        issue.code === 'invalid_union' ? `expected a kind: ${listNames(INTERACTION_KINDS)}` : undefined,
    }),
  );

const base = {
  embeddingDim: positiveCount.default(16),
  bottom: widths.min(1).optional(),
  fields: z.array(z.string()).min(1).optional(),
};

/** Layers of an MLP, which may be none where an output layer follows. */
const layers = (hidden: readonly number[]) => strict({ hidden: widths.default([...hidden]), dropout }).prefault({});

/** Layers that all tasks share. */
const sharedLayers = (hidden: readonly number[]) =>
  strict({ hidden: widths.min(1).default([...hidden]), dropout }).prefault({});

const twoTower = strict({
  kind: z.literal('two-tower'),
  ...base,
  interaction: interaction.prefault({}),
  tower: strict({ hidden: widths.default([64]), out: positiveCount.default(32), dropout }).prefault({}),
  merge: z.enum(['concat', 'dot', 'hadamard+dot', 'concat+hadamard']).default('concat+hadamard'),
  heads: layers([32]),
});

const dlrm = strict({
  kind: z.literal('dlrm'),
  ...base,
  interaction: interaction.prefault({}),
  top: layers([128, 64]),
});

const expertLayers = { hidden: widths.min(1).default([64]), dropout };
const withTaskMode = { taskMode: z.enum(TASK_MODES).default('ctr+cvr(product)'), towers: layers([64, 32]) };
const bias = z.boolean().default(false);

const mlp = strict({ kind: z.literal('mlp'), ...base, net: layers([192, 64, 32]) });

const sharedBottom = strict({
  kind: z.literal('shared-bottom'),
  ...base,
  ...withTaskMode,
  shared: sharedLayers([192]),
});

const mmoe = strict({
  kind: z.literal('mmoe'),
  ...base,
  ...withTaskMode,
  experts: strict({ count: positiveCount.default(3), ...expertLayers }).prefault({}),
  gates: strict({ bias, shared: z.boolean().default(false) }).prefault({}),
});

const level = strict({ shared: positiveCount.default(1), perTask: positiveCount.default(1), ...expertLayers });

const ple = strict({
  kind: z.literal('ple'),
  ...base,
  ...withTaskMode,
  levels: z.array(level).min(1).prefault([{}]),
  gates: strict({ bias }).prefault({}),
});

const esmm = strict({ kind: z.literal('esmm'), ...base, net: layers([192, 64, 32]) });

const aitm = strict({
  kind: z.literal('aitm'),
  ...base,
  bottoms: sharedLayers([128, 64, 32]),
  calibrator: nonNegative.default(0.6),
});

const taml = strict({
  kind: z.literal('taml'),
  ...base,
  experts: strict({
    general: count.default(1),
    task: count.default(1),
    learner: count.default(1),
    ...expertLayers,
  })
    .prefault({})
    .refine(({ general, task, learner }) => general + task + learner > 0, {
      error: 'a learner needs an expert: general, task and learner are 0',
    }),
  learners: positiveCount.default(2),
  towers: layers([64, 32]),
  distillation: strict({
    alpha: nonNegative.default(0.1),
    beta: nonNegative.default(0.1),
    stopGradient: z.boolean().default(true),
    reduce: z.enum(['sum', 'mean']).default('sum'),
    cvrRows: z.enum(['impressions', 'clicks']).default('impressions'),
  }).prefault({}),
});

const vectorProduct = strict({
  kind: z.literal('vector-product'),
  ...base,
  sides: sharedLayers([128, 64, 32]),
});

const head = z.enum(HEADS).default('logit');
const selection = strict({ keep: positiveCount }).optional();

const releaseCompat = z.boolean().default(false);

const cold = strict({
  kind: z.literal('cold'),
  ...base,
  gate: z.enum(FIELD_GATES).default('concat'),
  trunk: sharedLayers([128, 64, 32]),
  head,
  selection,
  releaseCompat,
});

const fscd = strict({
  kind: z.literal('fscd'),
  ...base,
  phase: z.enum(['search', 'tune']).default('search'),
  temperature: z.number().positive().default(0.1),
  complexity: strict({
    weight: nonNegative.default(1 / 4096),
    operations: strict({
      user: nonNegative.default(0.4),
      ad: nonNegative.default(1.5),
      context: nonNegative.default(3),
    }).prefault({}),
    fields: z.array(strict({ field: z.string(), operations: nonNegative })).default([]),
    gamma: strict({
      operations: nonNegative.default(1),
      width: nonNegative.default(0.01),
      keys: nonNegative.default(0),
    }).prefault({}),
  }).prefault({}),
  trunk: sharedLayers([128, 64, 32]),
  head,
  selection,
});

const ecm = strict({ kind: z.literal('ecm'), ...base, trunk: sharedLayers([128, 64, 32]) });

const ecmm = strict({
  kind: z.literal('ecmm'),
  ...base,
  releaseCompat,
  inputGate: z.boolean().default(true),
  subnets: strict({
    counts: z.array(positiveCount).min(1).default([8, 4]),
    width: positiveCount.default(128),
  }).prefault({}),
  routing: strict({
    gates: z.boolean().default(true),
    temperature: z.number().positive().default(0.66),
    low: z.number().negative().default(-0.1),
    high: z.number().gt(1).default(1.1),
    l0: nonNegative.default(1e-5),
    transform: z.boolean().default(false),
  }).prefault({}),
  stacks: layers([128, 64, 32]),
});

const MODELS = [
  twoTower,
  dlrm,
  mlp,
  sharedBottom,
  mmoe,
  ple,
  esmm,
  aitm,
  taml,
  vectorProduct,
  cold,
  ecm,
  fscd,
  ecmm,
] as const;
const KINDS = MODELS.map(({ shape }) => shape.kind.value);

/** What `releaseCompat` makes of ecmm where nothing else is said. */
function asReleased(model: PlainObject): PlainObject {
  if (model.kind !== 'ecmm' || model.releaseCompat !== true) return model;
  const { subnets = {}, routing = {}, ...rest } = model;
  return {
    inputGate: RELEASED_ECMM.inputGate,
    ...rest,
    subnets: isPlainObject(subnets) ? { counts: RELEASED_ECMM.counts, ...subnets } : subnets,
    routing: isPlainObject(routing) ? { gates: RELEASED_ECMM.gates, ...routing } : routing,
  };
}

export const modelSchema = z
  .unknown()
  .transform((value) => (isPlainObject(value) ? asReleased({ kind: 'two-tower', ...value }) : value))
  .pipe(
    z.discriminatedUnion('kind', MODELS, {
      error: (issue) => (issue.code === 'invalid_union' ? `expected a kind: ${listNames(KINDS, 30)}` : undefined),
    }),
  );
