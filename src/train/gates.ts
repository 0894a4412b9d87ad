/**
 * What the gates of a model choose over a log: the mean weight of every expert (TAML, Liu et al. 2023, Fig. 4), field
 * (importances of COLD and FSCD) or connection (ECMM).
 */
import { PrerankError } from '../base/errors.js';
import type { ResolvedConfig } from '../config/types.js';
import type { FeatureMap } from '../data/features.js';
import { gatingProgram } from '../models/registry.js';
import { awaitNative } from '../runtime/errors.js';
import type { Addon, NativeParameterStore } from '../runtime/native.js';
import type { AssembledModel } from './assemble.js';
import type { EncodedSet } from './encoded-set.js';
import { type EvaluateOptions, withEvaluationSet } from './evaluate.js';
import { formatTable } from './evaluation-result.js';
import type { Run } from './run.js';

const BATCH_ROWS = 4096;

/** Gate of cold and fscd, whose weights are of fields. */
const FIELDS = 'fields';

/** Mean weight by gate and expert, field or connection. */
export type Gates = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface GateMeans {
  readonly rows: number;
  /** Those of experts add up to 1, those of fields and connections are in [0, 1]. */
  readonly gates: Gates;
  /** Of the gates of connections: open ones (mean above 0), and all; absent without such gates. */
  readonly connections?: { readonly open: number; readonly all: number };
}

export interface GatedModel {
  readonly addon: Addon;
  readonly config: ResolvedConfig;
  readonly features: FeatureMap;
  readonly model: Pick<AssembledModel, 'tasks'>;
  readonly store: NativeParameterStore;
  readonly threads: number;
}

/**
 * The mean over the evaluation log, or another one.
 * @throws PrerankError UNSUPPORTED when the model has no gates; what opening the data may throw.
 */
export async function gateMeans(run: Run, options: Pick<EvaluateOptions, 'data'> = {}): Promise<GateMeans> {
  return withEvaluationSet(run, options.data, async (set) => {
    const means = await meansOver(run, set);
    if (means === null) throw new PrerankError('UNSUPPORTED', `model ${run.config.model.kind} has no gates`);
    return means;
  });
}

/** The mean over an encoded log; null when the model has no gates. */
export async function meansOver(
  model: GatedModel,
  set: Pick<EncodedSet, 'native' | 'rows'>,
): Promise<GateMeans | null> {
  const { addon, config, features, store, threads } = model;
  const gating = gatingProgram(
    config.model,
    features,
    model.model.tasks.map((task) => task.model),
  );
  if (gating === null) return null;
  const { plan, dense, ids } = gating.program;
  const loader = new addon.Loader(set.native, {
    batchSize: BATCH_ROWS,
    shuffle: 'none',
    seed: 0,
    epochs: 1,
    threads,
    training: false,
    dense,
    ids,
    tasks: [],
  });
  try {
    const program = new addon.Program(plan, store, { threads, capacity: BATCH_ROWS, seed: 0 });
    const outputs = await awaitNative(() => program.predictAll(loader));
    const gates = plan.outputs.map(({ name }, i): [string, Record<string, number>] => {
      const experts = gating.experts.get(name) ?? [];
      const means = columnMeans(outputs[i] ?? new Float32Array(), experts.length);
      return [name, Object.fromEntries(experts.map((expert, e) => [expert, means[e] ?? Number.NaN]))];
    });
    const weights = gates.filter(([name]) => gating.connections.has(name)).flatMap(([, means]) => Object.values(means));
    const connections = { open: weights.filter((weight) => weight > 0).length, all: weights.length };
    return { rows: set.rows, gates: Object.fromEntries(gates), ...(weights.length === 0 ? {} : { connections }) };
  } finally {
    loader.close();
  }
}

function columnMeans(values: Float32Array, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (const [i, value] of values.entries()) sums[i % width] = (sums[i % width] ?? 0) + value;
  return sums.map((sum) => (sum * width) / values.length);
}

export interface FieldImportance {
  readonly field: string;
  /** Mean weight, or probability to be kept, in [0, 1]. */
  readonly importance: number;
}

/** How much the fields of cold or fscd matter, in the order of the model; none for other models. */
export function fieldImportances(gates: Gates): FieldImportance[] {
  return Object.entries(gates[FIELDS] ?? {}).map(([field, importance]) => ({ field, importance }));
}

/** A plain text table: one line a gate and expert; fields by falling weight. */
export function gateTable(gates: Gates): string[] {
  const cells = Object.entries(gates).flatMap(([gate, experts]) => {
    const listed = Object.entries(experts);
    const sorted = gate === FIELDS ? listed.toSorted(([, a], [, b]) => b - a) : listed;
    return sorted.map(([expert, mean], i) => [i === 0 ? gate : '', expert, mean.toFixed(4)]);
  });
  return formatTable(['gate', 'of', 'mean weight'], cells);
}

export function formatGates({ rows, gates, connections }: GateMeans): string {
  const open = connections === undefined ? '' : `; ${connections.open} of ${connections.all} connections are open`;
  return [...gateTable(gates), '', `over ${rows} rows${open}`].join('\n');
}
