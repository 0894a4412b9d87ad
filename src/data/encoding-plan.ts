/** Which encoders a configuration needs for a log, and the query that feeds them. */
import { PrerankError } from '../base/errors.js';
import { type ResolvedConfig, STAGES } from '../config/types.js';
import { AugmentationFilter } from './augmentation.js';
import type { Database } from './duckdb.js';
import {
  CodeEncoder,
  type ColumnEncoder,
  DenseEncoder,
  type Hasher,
  hashedRows,
  IdEncoder,
  ListEncoder,
  mappedRows,
  NumberEncoder,
  type NumberRule,
  type RowMapper,
} from './encoders.js';
import { type DenseFeature, type FeatureMap, type IdFeature, type Role, ROLE_COLUMNS, type Table } from './features.js';
import { columnSql, FILE_COLUMN, type Log, type LogColumn, requireClass, ROW_COLUMN } from './log.js';
import { type OutputColumn, ScalarOutput } from './output.js';
import { cqsSql, featurePath, idColumn, int64Sql, namedSql, numberSql, OBJECTIVES, rawLabels } from './plan-columns.js';
import { createVocabularyType, vocabularyRowSql, vocabularyTypeName } from './vocabulary.js';

export interface EncodingRequest {
  readonly log: Log;
  readonly config: ResolvedConfig;
  readonly features: FeatureMap;
  readonly hasher: Hasher;
  /** Draw non-impressions as data.augmentation says. */
  readonly augment: boolean;
  /** Leave out roles and labels whose column the log does not have (prediction), instead of failing. */
  readonly optionalRoles: boolean;
  /** Sort by the role `time`. */
  readonly chronological: boolean;
}

export interface EncodingPlan {
  readonly encoders: readonly ColumnEncoder[];
  readonly roles: ReadonlyMap<Role, NumberEncoder>;
  readonly outputs: readonly OutputColumn[];
  /** Selects FILE_COLUMN, ROW_COLUMN, then the encoders' columns in order. */
  readonly query: string;
}

type NumberRole = Exclude<Role, 'request' | 'user' | 'ad'>;

const NUMBER_ROLES: Record<NumberRole, { readonly rule: NumberRule; readonly nullable: boolean }> = {
  impression: { rule: 'binary', nullable: false },
  ctrTraffic: { rule: 'binary', nullable: false },
  stage: { rule: 'stage', nullable: false },
  objective: { rule: 'objective', nullable: false },
  click: { rule: 'binary', nullable: true },
  conversion: { rule: 'binary', nullable: true },
  finalCtr: { rule: 'probability', nullable: true },
  cqs: { rule: 'finite', nullable: true },
  bid: { rule: 'nonNegative', nullable: true },
  earlyCvr: { rule: 'probability', nullable: true },
  earlyVtr: { rule: 'probability', nullable: true },
  finalTotalValue: { rule: 'finite', nullable: true },
  weight: { rule: 'nonNegative', nullable: false },
};

function roleSql(log: Log, config: ResolvedConfig, role: NumberRole): string | undefined {
  if (role === 'cqs') return cqsSql(log, config);
  const column = config.data.columns[role];
  if (column === undefined) return undefined;
  const path = `data.columns.${role}`;
  if (role === 'stage') return namedSql(log, column, STAGES, path);
  if (role === 'objective') return namedSql(log, column, OBJECTIVES, path);
  return numberSql(log, column, path);
}

/** Raw columns that a role reads. */
function roleSources(config: ResolvedConfig, role: Role): readonly string[] {
  if (role !== 'cqs') return [config.data.columns[role]].filter((column) => column !== undefined);
  const { cqs } = config.data.columns;
  if (cqs === undefined) return [];
  return typeof cqs === 'string' ? [cqs] : cqs.events.map(({ column }) => column);
}

function numberEncoder(role: NumberRole, sql: string): NumberEncoder {
  const { rule, nullable } = NUMBER_ROLES[role];
  const { column, type } = ROLE_COLUMNS[role];
  return new NumberEncoder(role, sql, new ScalarOutput(column, type), rule, nullable);
}

function codeEncoder(log: Log, config: ResolvedConfig, role: 'request' | 'user' | 'ad'): CodeEncoder | undefined {
  const name = config.data.columns[role];
  if (name === undefined) return undefined;
  const { column, type } = idColumn(log, name, false, `data.columns.${role}`);
  const output = new ScalarOutput(ROLE_COLUMNS[role].column, 'uint32');
  return new CodeEncoder(role, idSql(columnSql(column), column, type), output, type);
}

/** A raw id for the encoders: BIGINT or VARCHAR. */
function idSql(sql: string, column: LogColumn, type: 'int' | 'string'): string {
  return type === 'int' ? int64Sql(sql, column.type) : `CAST(${sql} AS VARCHAR)`;
}

function denseEncoder(request: EncodingRequest, feature: DenseFeature): DenseEncoder {
  const { log, config } = request;
  const sql = numberSql(log, feature.source, featurePath(config, feature));
  return new DenseEncoder(
    `feature "${feature.name}"`,
    sql,
    new ScalarOutput(feature.column, 'float32'),
    feature.transforms,
    feature.mean,
    feature.std,
    nullPolicy(config, feature),
  );
}

function nullPolicy(config: ResolvedConfig, { side, name }: { side: 'user' | 'ad' | 'context'; name: string }) {
  return config.data.features[side].find((feature) => feature.name === name)?.nulls ?? config.data.nulls;
}

/** The integer or string ids of a column as the table's mapping wants them. */
function checkIdType(log: Log, column: LogColumn, type: 'int' | 'string', table: Table, path: string): void {
  if (table.mapping.valueType !== 'int' || type === 'int') return;
  throw new PrerankError(
    'COLUMN_TYPE',
    `${log.name}: column "${column.name}" is ${column.type}, but table "${table.name}" of ${path} was learnt from integers. Cast the column`,
    { file: log.name, column: column.name, path },
  );
}

class IdEncoders {
  private readonly tables: ReadonlyMap<string, { readonly table: Table; readonly index: number }>;

  constructor(private readonly request: EncodingRequest) {
    this.tables = new Map(request.features.tables.map((table, index) => [table.name, { table, index }]));
  }

  create(feature: IdFeature): IdEncoder | ListEncoder {
    const { log, config } = this.request;
    const path = featurePath(config, feature);
    const entry = this.tables.get(feature.table);
    if (!entry)
      throw new PrerankError('DATA_INVALID', `${path}: the feature map has no table "${feature.table}"`, { path });
    const { column, type } = idColumn(log, feature.source, feature.kind === 'multi', path);
    checkIdType(log, column, type, entry.table, path);
    const label = `feature "${feature.name}"`;
    const sql = columnSql(column);
    const mapper = this.mapper(entry.table);
    const nulls = nullPolicy(config, feature);
    if (feature.kind === 'categorical') {
      const value = this.valueSql(sql, column, entry);
      return new IdEncoder(label, value, `${sql} IS NULL`, new ScalarOutput(feature.column, 'uint32'), mapper, nulls);
    }
    return new ListEncoder(
      label,
      {
        ids: `list_transform(${sql}, lambda x: ${this.valueSql('x', column, entry)})`,
        isNull: `${sql} IS NULL`,
        hasNull: `coalesce(list_count(${sql}) <> len(${sql}), false)`,
        weights: feature.weightsSource && this.weightsSql(feature.weightsSource, `${path}.weights`),
      },
      { ids: feature.column, weights: feature.weightsColumn },
      mapper,
      nulls,
    );
  }

  private mapper({ mapping }: Table): RowMapper {
    if (mapping.kind === 'vocabulary') return mappedRows;
    return hashedRows(this.request.hasher, mapping.valueType, mapping.buckets);
  }

  private valueSql(sql: string, column: LogColumn, { table, index }: { table: Table; index: number }): string {
    const { mapping } = table;
    if (mapping.kind === 'hash')
      return idSql(sql, { ...column, type: column.type.replace(/\[\d*\]$/, '') }, mapping.valueType);
    return vocabularyRowSql(vocabularyTypeName(index), `CAST(${sql} AS VARCHAR)`);
  }

  private weightsSql(name: string, path: string): string {
    const { log } = this.request;
    const column = log.column(name, path);
    requireClass(log, column, { classes: ['int', 'float'], list: true, what: 'a list of numbers' }, path);
    return `CAST(${columnSql(column)} AS DOUBLE[])`;
  }
}

async function createVocabularies(database: Database, features: FeatureMap): Promise<void> {
  for (const [index, { mapping }] of features.tables.entries()) {
    if (mapping.kind === 'vocabulary') await createVocabularyType(database, vocabularyTypeName(index), mapping.values);
  }
}

function buildQuery(request: EncodingRequest, encoders: readonly ColumnEncoder[], sampled: boolean): string {
  const { log, config, chronological } = request;
  const select = encoders.flatMap((encoder) => encoder.select).map((sql, i) => `${sql} AS c${i}`);
  const time = chronological ? config.data.columns.time : undefined;
  const keys = [FILE_COLUMN, ROW_COLUMN];
  if (time !== undefined) keys.unshift(columnSql(log.column(time, 'data.columns.time')));
  const order = time !== undefined || sampled ? ` ORDER BY ${keys.join(', ')}` : '';
  const origin = `${FILE_COLUMN}, CAST(${ROW_COLUMN} AS DOUBLE)`;
  return `SELECT ${[origin, ...select].join(', ')} FROM ${log.relation}${order}`;
}

/** @throws PrerankError COLUMN_MISSING, COLUMN_TYPE. */
export async function planEncoding(request: EncodingRequest): Promise<EncodingPlan> {
  const { log, config, features, optionalRoles } = request;
  const present = (role: Role): boolean =>
    !optionalRoles || roleSources(config, role).every((column) => log.has(column));
  const encoders: ColumnEncoder[] = [];
  const roles = new Map<Role, NumberEncoder>();
  for (const role of ['request', 'user', 'ad'] as const) {
    const encoder = present(role) ? codeEncoder(log, config, role) : undefined;
    if (encoder) encoders.push(encoder);
  }
  for (const role of Object.keys(NUMBER_ROLES) as NumberRole[]) {
    const sql = present(role) ? roleSql(log, config, role) : undefined;
    if (sql === undefined) continue;
    const encoder = numberEncoder(role, sql);
    roles.set(role, encoder);
    encoders.push(encoder);
  }
  for (const { source, column, probability, path } of rawLabels(config)) {
    if (optionalRoles && !log.has(source)) continue;
    const output = new ScalarOutput(column, 'float32');
    const rule = probability ? 'probability' : 'finite';
    encoders.push(new NumberEncoder(`label "${source}"`, numberSql(log, source, path), output, rule, true));
  }
  const ids = new IdEncoders(request);
  for (const feature of features.features) {
    encoders.push(feature.kind === 'dense' ? denseEncoder(request, feature) : ids.create(feature));
  }
  const filter = request.augment ? AugmentationFilter.create(log, config, request.hasher) : undefined;
  if (filter) encoders.push(filter);
  await createVocabularies(log.database, features);
  const outputs = encoders.flatMap((encoder) => encoder.outputs);
  return { encoders, roles, outputs, query: buildQuery(request, encoders, filter !== undefined) };
}
