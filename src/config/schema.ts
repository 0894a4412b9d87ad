/**
 * The schema of a configuration as the user writes it, in YAML or as an object. Unknown keys are errors.
 * Defaults that depend on other fields are filled in by resolve.ts.
 */
import { z } from 'zod';
import { MATMUL_PRECISIONS, TABLE_TYPES } from '../runtime/native-program.js';
import { BALANCINGS, GRADIENT_NORMS } from '../runtime/plan.js';
import { modelSchema } from './model-schema.js';
import { strict } from './strict.js';
import { AUGMENTED_LABELS, DEFAULT_SPLIT_FRACTION, METRICS, SIMPLE_ROLES, STAGES, type Stage } from './types.js';

const text = z.string().min(1);
const count = z.int().nonnegative();
const positiveCount = z.int().positive();
const finite = z.number();
const nonNegative = z.number().nonnegative();
const positive = z.number().positive();
const fraction = z.number().min(0).lt(1);
const nulls = z.enum(['default', 'drop', 'error']);

const tableName = z.string().regex(/^(?!prerank_)[A-Za-z_][A-Za-z0-9_]*$/i, {
  error: 'a table is named by letters, digits and _, starting with a letter, and not with prerank_',
});

const sqlBase = {
  where: text.optional(),
  directory: text.optional(),
  files: z
    .record(tableName, z.union([text, z.array(text).min(1)], { error: 'expected a path or glob, or a list of them' }))
    .optional(),
};
const source = z.union(
  [text, z.array(text).min(1), strict({ sql: text, ...sqlBase }), strict({ file: text, ...sqlBase })],
  { error: 'expected a path or glob, a list of them, { sql: "SELECT …" }, or { file: log.sql }' },
);

const transform = z.enum(['log1p', 'standardize']);
const transforms = z.union(
  [z.enum(['none', 'log1p', 'standardize']), z.array(transform).refine((list) => new Set(list).size === list.length)],
  { error: 'expected none, log1p, standardize, or a list such as [log1p, standardize] without repetition' },
);

const featureBase = { name: text, column: text.optional(), nulls: nulls.optional() };
const idBase = {
  ...featureBase,
  table: text.optional(),
  dim: positiveCount.optional(),
  vocabulary: strict({
    minFrequency: positiveCount.default(2),
    capacity: z.int().min(2).max(0xffff_ffff).optional(),
  }).optional(),
  hash: strict({ buckets: z.int().min(2).max(0xffff_ffff) }).optional(),
};

const feature = z.discriminatedUnion(
  'kind',
  [
    strict({ kind: z.literal('dense'), ...featureBase, transform: transforms.default('standardize') }),
    strict({ kind: z.literal('categorical'), ...idBase }),
    strict({
      kind: z.literal('multi'),
      ...idBase,
      pooling: z.enum(['sum', 'mean']).default('sum'),
      weights: text.optional(),
    }),
  ],
  {
    error: (issue) => (issue.code === 'invalid_union' ? 'expected kind dense, categorical or multi' : undefined),
  },
);

const featureList = z.array(feature);
const sidedFeatures = strict({
  user: featureList.default([]),
  ad: featureList.default([]),
  context: featureList.default([]),
});

const cqs = z.union([text, strict({ events: z.array(strict({ column: text, scalar: finite })).min(1) })], {
  error: 'expected a column, or { events: [ { column, scalar }, … ] }',
});

const simpleRoles = Object.fromEntries(SIMPLE_ROLES.map((role) => [role, text.optional()])) as {
  [role in (typeof SIMPLE_ROLES)[number]]: z.ZodOptional<typeof text>;
};

const splitValue = z.union([text, finite, z.boolean()], { error: 'expected a text, a number, true or false' });

const split = z.discriminatedUnion(
  'by',
  [
    strict({ by: z.literal('time'), at: z.union([text, finite], { error: 'expected a time: a number or a text' }) }),
    strict({ by: z.literal('hash'), fraction: z.number().gt(0).lt(1).default(DEFAULT_SPLIT_FRACTION) }),
    strict({ by: z.literal('column'), column: text, eval: z.array(splitValue).min(1) }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? 'expected by: time, hash or column' : undefined) },
);

const rate = z.number().min(0).max(1);
const rateWeight = z.enum(['none', 'inverse']).default('none');

const data = strict({
  train: source.optional(),
  eval: source.optional(),
  split: split.optional(),
  columns: strict({ ...simpleRoles, cqs: cqs.optional() }).default({}),
  features: z
    .unknown()
    .transform((value) => (Array.isArray(value) ? { context: value } : value))
    .pipe(sidedFeatures),
  augmentation: strict({
    pool: z.enum(['final', 'early', 'mixed']).default('mixed'),
    perRequest: positive.optional(),
    rate: rate.optional(),
    weight: rateWeight,
  }).optional(),
  sampling: strict({
    stages: strict(
      Object.fromEntries(STAGES.map((stage) => [stage, rate.default(1)])) as Record<Stage, z.ZodDefault<typeof rate>>,
    ),
    weight: z.enum(['none', 'inverse', 'logit']).default('none'),
  }).optional(),
  duplicates: z.enum(['keep', 'drop', 'error']).default('keep'),
  shuffle: z.enum(['none', 'window', 'full']).default('window'),
  windowRows: positiveCount.default(262_144),
  nulls: nulls.default('default'),
  maxBad: count.default(0),
});

const task = strict({
  weight: nonNegative.optional(),
  loss: z.enum(['bce', 'mse', 'huber', 'pseudo-huber', 'log-cosh']).optional(),
  delta: positive.default(1),
  label: text.optional(),
  augmented: z.enum(AUGMENTED_LABELS).optional(),
  target: z.enum(['own', 'ctr']).optional(),
  mask: z.enum(['ctrTraffic', 'hasFinalCtr']).optional(),
  scale: positive.optional(),
});

const taskName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
  error: 'a task is named by letters, digits and _, starting with a letter',
});

const schedule = strict({
  kind: z.enum(['constant', 'linear', 'cosine', 'polynomial']).default('constant'),
  warmupSteps: count.default(0),
  decaySteps: positiveCount.optional(),
  finalFraction: z.number().min(0).max(1).default(0),
  power: positive.default(1),
});

const optimizerBase = {
  beta1: fraction.default(0.9),
  beta2: fraction.default(0.999),
  epsilon: positive.default(1e-8),
  initialAccumulator: nonNegative.default(0),
  l2: nonNegative.optional(),
  schedule: schedule.optional(),
};

const device = z.string().superRefine((value, context) => {
  if (value === 'auto' || value === 'cpu') return;
  if (/^cuda:\d{1,3}$/.test(value)) return;
  context.addIssue({ code: 'custom', message: `expected auto, cpu or cuda:N, got "${value}"` });
});

const pwiser = strict({
  weight: positive,
  head: z.enum(['ctr', 'ctcvr', 'both']),
  space: z.enum(['prob', 'logit']),
  clickMargin: nonNegative,
  impressionMargin: nonNegative,
  pairNorm: z.enum(['mean', 'sum']),
  surrogate: z.enum(['hinge', 'squaredHinge']).default('hinge'),
}).refine(({ clickMargin, impressionMargin }) => impressionMargin >= clickMargin, {
  path: ['impressionMargin'],
  error: 'must not be below clickMargin: a click without conversion is nearer to a conversion than no click',
});

const training = strict({
  batchSize: positiveCount.default(4096),
  epochs: positiveCount.optional(),
  steps: positiveCount.optional(),
  checkpointEverySteps: positiveCount.default(1000),
  reportEverySteps: positiveCount.default(100),
  keepCheckpoints: positiveCount.default(3),
  evaluateEverySteps: count.default(0),
  earlyStopping: strict({
    metric: text,
    patience: positiveCount.default(3),
    minDelta: nonNegative.default(0),
  }).optional(),
  sparseOptimizer: strict({
    kind: z.enum(['sgd', 'adagrad', 'rowwise-adagrad', 'adam']).default('rowwise-adagrad'),
    lr: positive.default(0.02),
    ...optimizerBase,
  }).prefault({}),
  denseOptimizer: strict({
    kind: z.enum(['sgd', 'adagrad', 'adam', 'adamw']).default('adam'),
    lr: positive.default(0.001),
    momentum: fraction.default(0),
    weightDecay: nonNegative.default(0),
    ...optimizerBase,
  }).prefault({}),
  schedule: schedule.prefault({}),
  clip: strict({ norm: nonNegative.default(0), scope: z.enum(['dense', 'all']).default('dense') }).prefault({}),
  balancing: strict({
    kind: z.enum(BALANCINGS).default('fixed'),
    normalisation: z.enum(GRADIENT_NORMS).optional(),
  }).prefault({}),
  gradientCosines: count.default(0),
  lossReduce: z.enum(['sum', 'mean']).default('sum'),
  pwiser: pwiser.optional(),
  startFrom: z.string().optional(),
  l2: nonNegative.default(0),
  tableType: z.enum(TABLE_TYPES).default('float32'),
  seed: z.int().nonnegative().default(1),
  device: device.default('auto'),
  matmul: z.enum(MATMUL_PRECISIONS).default('float32'),
  autotune: z.boolean().default(false),
  hostTables: z.array(text).default([]),
  hostTableCache: z.union([count, z.literal('auto')], { error: 'expected a number of MiB, or auto' }).default('auto'),
  threads: z
    .union([positiveCount, z.literal('auto')], { error: 'expected a number of threads, or auto' })
    .default('auto'),
});

const evaluation = strict({
  k: positiveCount.default(50),
  metrics: z.array(z.enum(METRICS)).optional(),
  group: z.enum(['request', 'user', 'ad']).optional(),
});

const knots = z
  .array(z.tuple([finite, finite]))
  .min(2)
  .refine(
    (points) =>
      points.every((p, i) => i === 0 || (p[0] > (points[i - 1]?.[0] ?? 0) && p[1] >= (points[i - 1]?.[1] ?? 0))),
    { error: 'knots [x, y] need rising x and non-falling y: f must be monotone' },
  );

const qualityFunction = z.discriminatedUnion(
  'kind',
  [
    strict({ kind: z.literal('identity') }),
    strict({ kind: z.literal('affine'), scale: nonNegative.default(1), shift: finite.default(0) }),
    strict({ kind: z.literal('clamp'), min: finite, max: finite }).refine((f) => f.min <= f.max, {
      error: 'min must not exceed max',
    }),
    strict({ kind: z.literal('piecewiseLinear'), knots }),
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? 'expected kind identity, affine, clamp or piecewiseLinear' : undefined,
  },
);

export const auctionSchema = strict({
  form: z.enum(['additive', 'multiplicative']).default('additive'),
  f: qualityFunction.default({ kind: 'identity' }),
});

export const configSchema = strict({
  name: text.default('prerank'),
  data,
  model: modelSchema.prefault({}),
  tasks: z
    .record(
      taskName,
      z
        .unknown()
        .transform((value) => value ?? {})
        .pipe(task),
    )
    .optional(),
  training: training.prefault({}),
  evaluation: evaluation.prefault({}),
  auction: auctionSchema.prefault({}),
});

/** What a user may write. */
export type ConfigInput = z.input<typeof configSchema>;

/** After the schema, before resolve.ts. */
export type ParsedConfig = z.output<typeof configSchema>;
