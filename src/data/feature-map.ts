/** Learns the feature map from the training split; reads and writes `features.json`. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable } from '../base/files.js';
import { type FeatureConfig, type IdFeatureConfig, type ResolvedConfig, SIDES, type Side } from '../config/types.js';
import type { DenseFeature, Feature, FeatureMap, IdFeature, Table } from './features.js';
import type { Log, LogColumn } from './log.js';
import { cqsSql, type IdType, idColumn, numberSql } from './plan-columns.js';
import { log1pSql, type Moments, moments } from './statistics.js';
import { learnVocabulary } from './vocabulary.js';

interface Located<T extends FeatureConfig> {
  readonly feature: T;
  readonly side: Side;
  readonly path: string;
}

function locate(config: ResolvedConfig): Located<FeatureConfig>[] {
  return SIDES.flatMap((side) =>
    config.data.features[side].map((feature, i) => ({ feature, side, path: `data.features.${side}[${i}]` })),
  );
}

const isId = (located: Located<FeatureConfig>): located is Located<IdFeatureConfig> => located.feature.kind !== 'dense';

interface TableUse {
  readonly config: IdFeatureConfig;
  readonly type: IdType;
  readonly columns: LogColumn[];
  readonly first: string;
}

function tableUses(log: Log, features: readonly Located<IdFeatureConfig>[]): Map<string, TableUse> {
  const uses = new Map<string, TableUse>();
  for (const { feature, path } of features) {
    const { column, type } = idColumn(log, feature.column, feature.kind === 'multi', path);
    const use = uses.get(feature.table);
    if (use === undefined) {
      uses.set(feature.table, { config: feature, type, columns: [column], first: feature.column });
      continue;
    }
    if (use.type !== type) {
      throw new PrerankError(
        'COLUMN_TYPE',
        `${log.name}: ${path} shares table "${feature.table}" with column "${use.first}", which holds ${use.type} values, but column "${column.name}" is ${column.type}. Cast one of them`,
        { file: log.name, column: column.name, path },
      );
    }
    use.columns.push(column);
  }
  return uses;
}

async function learnTable(log: Log, name: string, use: TableUse): Promise<Table> {
  const { config, type, columns } = use;
  if (config.hash) {
    const { buckets } = config.hash;
    return { name, rows: buckets, dim: config.dim, mapping: { kind: 'hash', valueType: type, buckets } };
  }
  const minFrequency = config.vocabulary?.minFrequency ?? 1;
  const values = await learnVocabulary(log, columns, type, minFrequency);
  return {
    name,
    rows: values.length + 1,
    dim: config.dim,
    mapping: { kind: 'vocabulary', valueType: type, minFrequency, values },
  };
}

function describeFeature({ feature, side }: Located<FeatureConfig>, dense: ReadonlyMap<string, Moments>): Feature {
  const base = { name: feature.name, side, source: feature.column, column: `feature.${feature.name}` };
  if (feature.kind === 'dense') {
    const { mean, std } = dense.get(feature.name) ?? { mean: 0, std: 1 };
    return { ...base, kind: 'dense', transforms: feature.transform, mean, std } satisfies DenseFeature;
  }
  const weights = feature.weights && { weightsSource: feature.weights, weightsColumn: `weights.${feature.name}` };
  return {
    ...base,
    kind: feature.kind,
    table: feature.table,
    pooling: feature.pooling ?? 'sum',
    ...weights,
  } satisfies IdFeature;
}

/** Steps before `standardize`, as SQL: what its mean and std are taken of. */
function transformedSql(sql: string, transforms: readonly string[]): string {
  return transforms.indexOf('log1p') >= 0 && transforms.indexOf('log1p') < transforms.indexOf('standardize')
    ? log1pSql(sql)
    : sql;
}

/**
 * Statistics and vocabularies of a log (the training split, every row of it).
 *
 * @throws PrerankError COLUMN_MISSING, COLUMN_TYPE naming the configuration path.
 */
export async function learnFeatureMap(log: Log, config: ResolvedConfig): Promise<FeatureMap> {
  const located = locate(config);
  const expressions: string[] = [];
  const standardized: string[] = [];
  for (const { feature, path } of located) {
    if (feature.kind !== 'dense') continue;
    const sql = numberSql(log, feature.column, path);
    if (!feature.transform.includes('standardize')) continue;
    standardized.push(feature.name);
    expressions.push(transformedSql(sql, feature.transform));
  }
  const uses = tableUses(log, located.filter(isId));
  const cqs = cqsSql(log, config);
  const learned = await moments(log, cqs === undefined ? expressions : [...expressions, cqs]);
  const dense = new Map(standardized.map((name, i): [string, Moments] => [name, learned[i] ?? { mean: 0, std: 1 }]));
  const tables: Table[] = [];
  for (const [name, use] of uses) tables.push(await learnTable(log, name, use));
  return {
    version: 1,
    features: located.map((feature) => describeFeature(feature, dense)),
    tables,
    cqs: cqs === undefined ? null : (learned[expressions.length] ?? null),
  };
}

const side = z.enum(['user', 'ad', 'context']);
const valueType = z.enum(['int', 'string']);
const base = { name: z.string(), side, source: z.string(), column: z.string() };
const idFeature = {
  ...base,
  table: z.string(),
  pooling: z.enum(['sum', 'mean']),
  weightsSource: z.string().optional(),
  weightsColumn: z.string().optional(),
};
const featureMapSchema = z.object({
  version: z.literal(1),
  features: z.array(
    z.discriminatedUnion('kind', [
      z.object({
        ...base,
        kind: z.literal('dense'),
        transforms: z.array(z.enum(['log1p', 'standardize'])),
        mean: z.number(),
        std: z.number().positive(),
      }),
      z.object({ ...idFeature, kind: z.literal('categorical') }),
      z.object({ ...idFeature, kind: z.literal('multi') }),
    ]),
  ),
  tables: z.array(
    z.object({
      name: z.string(),
      rows: z.int().positive(),
      dim: z.int().positive(),
      mapping: z.discriminatedUnion('kind', [
        z.object({
          kind: z.literal('vocabulary'),
          valueType,
          minFrequency: z.int().positive(),
          values: z.array(z.string()),
        }),
        z.object({ kind: z.literal('hash'), valueType, buckets: z.int().positive() }),
      ]),
    }),
  ),
  cqs: z.object({ mean: z.number(), std: z.number().positive() }).nullable(),
});

function checkConsistency(map: FeatureMap): string | undefined {
  const tables = new Map(map.tables.map((table) => [table.name, table]));
  for (const feature of map.features) {
    if (feature.kind !== 'dense' && !tables.has(feature.table))
      return `feature ${feature.name} has no table ${feature.table}`;
  }
  for (const { name, rows, mapping } of map.tables) {
    const expected = mapping.kind === 'hash' ? mapping.buckets : mapping.values.length + 1;
    if (rows !== expected) return `table ${name} has ${rows} rows, its mapping ${expected}`;
  }
  return undefined;
}

export async function writeFeatureMap(path: string, map: FeatureMap): Promise<void> {
  await writeJsonDurable(path, map);
}

/** @throws PrerankError DATA_INVALID when the file is absent, no JSON, or not a feature map. */
export function readFeatureMap(path: string): FeatureMap {
  const fail = (reason: string, cause?: unknown): never => {
    throw new PrerankError('DATA_INVALID', `${path}: no feature map: ${reason}`, { file: path }, { cause });
  };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    return fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const parsed = featureMapSchema.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return fail(`${issue?.path.join('.')}: ${issue?.message}`);
  }
  const inconsistency = checkConsistency(parsed.data);
  return inconsistency === undefined ? parsed.data : fail(inconsistency);
}
