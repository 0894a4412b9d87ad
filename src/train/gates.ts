/** What the gates of a model choose: the mean weight of every expert over a log (TAML, Liu et al. 2023, Fig. 4). */
import { PrerankError } from '../base/errors.js';
import { gatingProgram } from '../models/registry.js';
import { awaitNative } from '../runtime/errors.js';
import { type EvaluateOptions, withEvaluationSet } from './evaluate.js';
import { formatTable } from './evaluation-result.js';
import type { Run } from './run.js';

const BATCH_ROWS = 4096;

export interface GateMeans {
  readonly rows: number;
  /** Mean weight by gate and expert; those of a gate add up to 1. */
  readonly gates: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/**
 * The mean over the evaluation log, or another one.
 * @throws PrerankError UNSUPPORTED when the model has no gates; what opening the data may throw.
 */
export async function gateMeans(run: Run, options: Pick<EvaluateOptions, 'data'> = {}): Promise<GateMeans> {
  const { addon, config, features, store, threads } = run;
  const gating = gatingProgram(
    config.model,
    features,
    run.model.tasks.map(({ model }) => model),
  );
  if (gating === null) throw new PrerankError('UNSUPPORTED', `model ${config.model.kind} has no gates`);
  const { plan, dense, ids } = gating.program;
  return withEvaluationSet(run, options.data, async ({ native, rows }) => {
    const loader = new addon.Loader(native, {
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
      return { rows, gates: Object.fromEntries(gates) };
    } finally {
      loader.close();
    }
  });
}

function columnMeans(values: Float32Array, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (const [i, value] of values.entries()) sums[i % width] = (sums[i % width] ?? 0) + value;
  return sums.map((sum) => (sum * width) / values.length);
}

/** A plain text table: one line a gate and expert. */
export function formatGates({ rows, gates }: GateMeans): string {
  const cells = Object.entries(gates).flatMap(([gate, experts]) =>
    Object.entries(experts).map(([expert, mean], i) => [i === 0 ? gate : '', expert, mean.toFixed(4)]),
  );
  return [...formatTable(['gate', 'expert', 'mean weight'], cells), '', `over ${rows} rows`].join('\n');
}
