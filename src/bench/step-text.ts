/** A step benchmark as text. */
import { formatTable } from '../train/evaluation-result.js';
import type { StepOperation, StepResult } from './step.js';
import { mebibytes, milliseconds, percent, thousands } from './text.js';

const SHOWN_OPERATIONS = 15;

/** Operations of one kind that differ by layer only, summed: the parts of one line of the table. */
function mergeTables(operations: readonly StepOperation[]): StepOperation[] {
  const updates = operations.filter(({ kind }) => kind === 'update.sparse');
  const sum = (field: 'secondsPerStep' | 'share'): number => updates.reduce((total, op) => total + op[field], 0);
  const others = operations.filter(({ kind }) => kind !== 'update.sparse');
  if (updates.length === 0) return others;
  const merged: StepOperation = {
    kind: 'update.sparse',
    layer: `${updates.length} tables`,
    backward: false,
    secondsPerStep: sum('secondsPerStep'),
    share: sum('share'),
  };
  return [merged, ...others].sort((a, b) => b.secondsPerStep - a.secondsPerStep);
}

export function formatStep(result: StepResult): string {
  const { step, phases, loader, memory, environment, deviceSeconds } = result;
  const operations = mergeTables(result.operations).slice(0, SHOWN_OPERATIONS);
  const rows = operations.map(({ kind, layer, secondsPerStep, share, gflops }) => [
    kind,
    layer,
    milliseconds(secondsPerStep),
    percent(share),
    gflops === undefined ? '' : gflops.toFixed(0),
  ]);
  const phase = Object.entries(phases).map(([name, seconds]) => `${name} ${milliseconds(seconds)}`);
  return [
    `${result.config}: ${thousands(result.samplesPerSecond)} samples/s at the median step ` +
      `(batch ${result.batch}, ${result.threads} thread${result.threads === 1 ? '' : 's'}, ${environment.isa}, ` +
      `cores ${environment.cores.join(',')}, products in ${result.matmul}, ${result.optimizers.sparse} on ${result.tableType} tables + ${result.optimizers.dense})`,
    `step: median ${milliseconds(step.p50)} [${milliseconds(step.low)}, ${milliseconds(step.high)}], ` +
      `p90 ${milliseconds(step.p90)}, best ${milliseconds(step.best)}, ${step.samples} steps`,
    `runs: ${result.runs.map((run) => thousands(run.samplesPerSecond)).join(', ')}`,
    ...(deviceSeconds === undefined
      ? []
      : [
          `${result.device}${result.autotune ? ', autotuned' : ''}: ${milliseconds(deviceSeconds)} of a step on the GPU`,
        ]),
    `phases: ${phase.join(', ')}`,
    `loader: gather ${milliseconds(loader.gatherSeconds)}, sort ${milliseconds(loader.indexSeconds)}, ` +
      `waiting ${percent(loader.waitShare)}`,
    `memory: arena ${mebibytes(memory.arenaBytes)}, parameters ${mebibytes(memory.parameterBytes)}, ` +
      `peak ${mebibytes(memory.peakBytes)}; allocations in a step: ${result.allocationsPerStep ?? 'not counted'}`,
    '',
    ...formatTable(['operation', 'layer', 'a step', 'share', 'GFLOP/s'], rows),
  ].join('\n');
}
