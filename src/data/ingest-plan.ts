/** Which encoders a configuration needs for a log, and the columns that feed them. */
import { PrerankError } from '../base/errors.js';
import { type ResolvedConfig, STAGES } from '../config/types.js';
import type {
  ColumnType,
  IngestCode,
  IngestDense,
  IngestId,
  IngestNumber,
  IngestSampling,
  IngestSpec,
  IngestTable,
} from '../runtime/native.js';
import { type DenseFeature, type FeatureMap, type IdFeature, ROLE_COLUMNS, type Role, type Table } from './features.js';
import type { Log } from './log.js';
import type { LogColumn } from './log-columns.js';
import {
  cqsSql,
  derivedLabels,
  derivedSql,
  featurePath,
  type IdType,
  idColumn,
  idSql,
  namedSql,
  numberSql,
  OBJECTIVES,
  rawLabels,
  weightsSql,
} from './plan-columns.js';
import { Selection } from './selection.js';

export interface IngestRequest {
  readonly log: Log;
  readonly config: ResolvedConfig;
  readonly split: 'train' | 'eval';
  /** Means, deviations and vocabularies known so far. */
  readonly features: FeatureMap;
  /** Add the values of this log to the vocabularies. */
  readonly learn: boolean;
  /** Leave out roles and labels whose column the log does not have (prediction), instead of failing. */
  readonly optionalRoles: boolean;
  /** Codes that a dataset has already, where rows are added to it. */
  readonly firstCodes: { readonly [role in CodeRole]: number };
}

export type CodeRole = 'request' | 'user' | 'ad';

/** The part of a native ingest that depends on the configuration and the log's columns alone. */
export interface IngestPlan
  extends Pick<
    IngestSpec,
    | 'requestInput'
    | 'adInput'
    | 'numbers'
    | 'dense'
    | 'ids'
    | 'codes'
    | 'tables'
    | 'outputOrder'
    | 'sampling'
    | 'duplicates'
  > {
  readonly selection: Selection;
}

type NumberRole = Exclude<Role, CodeRole>;

const NUMBER_ROLES: Record<NumberRole, Pick<IngestNumber, 'rule' | 'nullable' | 'role'>> = {
  impression: { rule: 'binary', nullable: false, role: 'impression' },
  ctrTraffic: { rule: 'binary', nullable: false, role: 'ctrTraffic' },
  stage: { rule: 'stage', nullable: false, role: 'stage' },
  objective: { rule: 'objective', nullable: false },
  click: { rule: 'binary', nullable: true, role: 'click' },
  conversion: { rule: 'binary', nullable: true, role: 'conversion' },
  finalCtr: { rule: 'probability', nullable: true },
  cqs: { rule: 'finite', nullable: true },
  bid: { rule: 'nonNegative', nullable: true },
  earlyCvr: { rule: 'probability', nullable: true },
  earlyVtr: { rule: 'probability', nullable: true },
  finalTotalValue: { rule: 'finite', nullable: true },
  weight: { rule: 'nonNegative', nullable: false, role: 'weight' },
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

function nullPolicy(config: ResolvedConfig, { side, name }: { side: 'user' | 'ad' | 'context'; name: string }) {
  return config.data.features[side].find((feature) => feature.name === name)?.nulls ?? config.data.nulls;
}

/** Rates of a training log; whole requests of a split by hash in any. */
function samplingOf({ config, split }: IngestRequest): IngestSampling {
  const { augmentation, sampling, split: rule } = config.data;
  const train = split === 'train';
  const inverse = train && (augmentation?.weight === 'inverse' || sampling?.weight === 'inverse');
  return {
    seed: config.training.seed,
    augment: train && augmentation !== undefined,
    pool: augmentation?.pool ?? 'mixed',
    perRequest: augmentation?.perRequest ?? 0,
    rate: augmentation?.rate ?? 1,
    stageRates: train && sampling ? STAGES.map((stage) => sampling.stages[stage]) : [],
    weightByInverseRate: inverse,
    weightOutput: inverse ? ROLE_COLUMNS.weight.column : '',
    splitFraction: rule?.by === 'hash' ? rule.fraction : -1,
    splitKeepBelow: split === 'eval',
  };
}

/** The tables of the feature map as the native core takes them. */
function tablesOf({ features, learn }: IngestRequest): IngestTable[] {
  return features.tables.map(({ name, mapping }) => {
    if (mapping.kind === 'hash') {
      const { valueType: type, buckets } = mapping;
      return { name, type, buckets, values: [], learn: false, minFrequency: 1, capacity: 0 };
    }
    const { valueType: type, minFrequency, values, capacity = 0 } = mapping;
    return { name, type, buckets: 0, values, learn, minFrequency, capacity };
  });
}

class Planner {
  readonly selection = new Selection();
  readonly numbers: IngestNumber[] = [];
  readonly dense: IngestDense[] = [];
  readonly ids: IngestId[] = [];
  readonly codes: IngestCode[] = [];
  readonly outputOrder: string[] = [];
  private readonly tables: ReadonlyMap<string, { readonly table: Table; readonly index: number }>;

  constructor(private readonly request: IngestRequest) {
    this.tables = new Map(request.features.tables.map((table, index) => [table.name, { table, index }]));
  }

  private get watched(): boolean {
    return this.request.config.data.columns.request !== undefined;
  }

  code(role: CodeRole): void {
    const { log, config, firstCodes } = this.request;
    const name = config.data.columns[role];
    if (name === undefined) return;
    const { column, type } = idColumn(log, name, false, `data.columns.${role}`);
    const output = ROLE_COLUMNS[role].column;
    const input = this.selection.add(idSql(column, type));
    this.codes.push({ input, output, role, first: firstCodes[role], label: role });
    this.outputOrder.push(output);
  }

  number(role: NumberRole, sql: string): void {
    const { column: output, type } = ROLE_COLUMNS[role];
    this.numbers.push({ input: this.selection.add(sql), output, type, ...NUMBER_ROLES[role], label: role });
    this.outputOrder.push(output);
  }

  label(sql: string, output: string, probability: boolean, label: string): void {
    const rule = probability ? 'probability' : 'finite';
    this.numbers.push({ input: this.selection.add(sql), output, type: 'float32', rule, nullable: true, label });
    this.outputOrder.push(output);
  }

  denseFeature(feature: DenseFeature): void {
    const { log, config } = this.request;
    this.dense.push({
      input: this.selection.add(numberSql(log, feature.source, featurePath(config, feature))),
      output: feature.column,
      transforms: feature.transforms,
      mean: feature.mean,
      deviation: feature.std,
      nulls: nullPolicy(config, feature),
      ofRequest: this.watched && feature.side !== 'ad',
      label: `feature "${feature.name}"`,
      source: feature.source,
    });
    this.outputOrder.push(feature.column);
  }

  idFeature(feature: IdFeature): void {
    const { log, config } = this.request;
    const path = featurePath(config, feature);
    const entry = this.tables.get(feature.table);
    if (!entry)
      throw new PrerankError('DATA_INVALID', `${path}: the feature map has no table "${feature.table}"`, { path });
    const multi = feature.kind === 'multi';
    const { column, type } = idColumn(log, feature.source, multi, path);
    this.checkType(column, type, entry.table, path);
    const { weightsSource, weightsColumn } = feature;
    this.ids.push({
      input: this.selection.add(idSql(column, entry.table.mapping.valueType)),
      output: feature.column,
      table: entry.index,
      multi,
      ...(weightsSource !== undefined && {
        weightsInput: this.selection.add(weightsSql(log, weightsSource, `${path}.weights`)),
        weightsOutput: weightsColumn,
      }),
      nulls: nullPolicy(config, feature),
      ofRequest: this.watched && feature.side !== 'ad',
      label: `feature "${feature.name}"`,
      source: feature.source,
    });
    this.outputOrder.push(feature.column);
    if (weightsColumn !== undefined) this.outputOrder.push(weightsColumn);
  }

  private checkType(column: LogColumn, type: IdType, table: Table, path: string): void {
    if (table.mapping.valueType !== 'int' || type === 'int') return;
    const { name } = this.request.log;
    throw new PrerankError(
      'COLUMN_TYPE',
      `${name}: column "${column.name}" is ${column.type}, but table "${table.name}" of ${path} was learnt from integers. Cast the column`,
      { file: name, column: column.name, path },
    );
  }
}

/** @throws PrerankError COLUMN_MISSING, COLUMN_TYPE. */
export function planIngest(request: IngestRequest): IngestPlan {
  const { log, config, features, optionalRoles } = request;
  const planner = new Planner(request);
  const sampling = samplingOf(request);
  const present = (role: Role): boolean =>
    !optionalRoles || roleSources(config, role).every((column) => log.has(column));
  for (const role of ['request', 'user', 'ad'] as const) if (present(role)) planner.code(role);
  for (const role of Object.keys(NUMBER_ROLES) as NumberRole[]) {
    const sql = present(role) ? roleSql(log, config, role) : undefined;
    if (sql !== undefined) planner.number(role, sql);
    else if (role === 'weight' && sampling.weightByInverseRate) planner.outputOrder.push(sampling.weightOutput);
  }
  for (const { source, column, probability, path } of rawLabels(config)) {
    if (optionalRoles && !log.has(source)) continue;
    planner.label(numberSql(log, source, path), column, probability, `label "${source}"`);
  }
  for (const label of derivedLabels(config)) {
    if (optionalRoles && !(log.has(label.first) && log.has(label.second))) continue;
    planner.label(derivedSql(log, label), label.column, true, label.path);
  }
  for (const feature of features.features) {
    if (feature.kind === 'dense') planner.denseFeature(feature);
    else planner.idFeature(feature);
  }
  const inputOf = (role: CodeRole): number | undefined => planner.codes.find((code) => code.role === role)?.input;
  const { selection, numbers, dense, ids, codes, outputOrder } = planner;
  return {
    selection,
    requestInput: inputOf('request'),
    adInput: inputOf('ad'),
    numbers,
    dense,
    ids,
    codes,
    tables: tablesOf(request),
    outputOrder,
    sampling,
    duplicates: config.data.duplicates,
  };
}

/** The encoded columns of a plan, in the order of the files. */
export function outputColumns(plan: IngestPlan): { readonly name: string; readonly type: ColumnType }[] {
  const types = new Map<string, ColumnType>();
  for (const { output } of plan.codes) types.set(output, 'uint32');
  for (const { output, type } of plan.numbers) types.set(output, type);
  for (const { output } of plan.dense) types.set(output, 'float32');
  for (const { output, multi, weightsOutput } of plan.ids) {
    types.set(output, multi ? 'list<uint32>' : 'uint32');
    if (weightsOutput !== undefined) types.set(weightsOutput, 'list<float32>');
  }
  return plan.outputOrder.map((name) => ({ name, type: types.get(name) ?? 'float32' }));
}
