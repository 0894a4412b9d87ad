/** Reads and writes the feature map, `features.json`. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { PrerankError } from '../base/errors.js';
import { writeTextDurable } from '../base/files.js';
import { type FeatureMap, type Table, tableRows } from './features.js';
import { valuesJson, vocabularySize, withoutValues, withValuesOf } from './vocabulary.js';

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
          capacity: z.int().positive().optional(),
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
    const expected = tableRows(mapping);
    const values = mapping.kind === 'vocabulary' ? vocabularySize(mapping) : 0;
    if (values >= rows) return `table ${name} has ${rows} rows for ${values} values`;
    if (rows !== expected) return `table ${name} has ${rows} rows, its mapping ${expected}`;
  }
  return undefined;
}

/** The same map with its members in the order that reading it back gives, so that both are the same bytes as JSON. */
export function orderedFeatureMap(map: FeatureMap): FeatureMap {
  // Without the values, of which there may be millions.
  const emptied = map.tables.map((table) =>
    table.mapping.kind === 'hash' ? table : { ...table, mapping: withoutValues(table.mapping) },
  );
  const ordered = featureMapSchema.parse({ ...map, tables: emptied });
  const tables = ordered.tables.map((table, i): Table => {
    const mapping = map.tables[i]?.mapping;
    if (table.mapping.kind === 'hash' || mapping?.kind !== 'vocabulary') return table;
    return { ...table, mapping: withValuesOf(table.mapping, mapping) };
  });
  return { ...ordered, tables };
}

function tableJson(table: Table): string {
  const { name, rows, dim, mapping } = table;
  if (mapping.kind === 'hash') return JSON.stringify(table);
  const { kind, valueType, minFrequency, capacity } = mapping;
  const open = (object: object): string => JSON.stringify(object).slice(0, -1);
  const values = `"values":${valuesJson(mapping)}`;
  return `${open({ name, rows, dim })},"mapping":${open({ kind, valueType, minFrequency, capacity })},${values}}}`;
}

/** A line for each feature and each table. */
function featureMapText({ version, features, tables, cqs }: FeatureMap): string {
  const lines = (items: readonly string[]): string => items.map((item) => `\n    ${item}`).join(',');
  return `{
  "version": ${version},
  "features": [${lines(features.map((feature) => JSON.stringify(feature)))}
  ],
  "tables": [${lines(tables.map(tableJson))}
  ],
  "cqs": ${JSON.stringify(cqs)}
}
`;
}

export async function writeFeatureMap(path: string, map: FeatureMap): Promise<void> {
  await writeTextDurable(path, featureMapText(map));
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
