/** Times whole training steps: loader, sort and update included, as a trainer runs them. */
import { elementCount } from '../base/shape.js';
import type { DeviceName } from '../runtime/device.js';
import type {
  Addon,
  LoaderStats,
  MatmulPrecision,
  NativeLoader,
  NativeProgram,
  PhaseTimes,
} from '../runtime/native.js';
import { isProduct, operationCost } from '../runtime/plan-cost.js';
import { describeEnvironment, type Environment } from './environment.js';
import { type Summary, summarize } from './statistics.js';
import type { StepProblem } from './step-problem.js';
import { createStepLoader, createStepProgram, Stepper, type TimedSteps } from './stepper.js';

export interface StepOptions {
  readonly threads: number;
  readonly runs: number;
  /** Timed steps of a run. */
  readonly steps: number;
  readonly seed: number;
}

/** One operation's part of a step. Seconds are summed over workers. */
export interface StepOperation {
  readonly kind: string;
  readonly layer: string;
  readonly backward: boolean;
  readonly secondsPerStep: number;
  /** Of the time of all operations. */
  readonly share: number;
  /** For matrix products and interactions, 10⁹ operations a second of one worker. */
  readonly gflops?: number;
}

export interface StepResult {
  readonly bench: 'step';
  readonly config: string;
  readonly batch: number;
  readonly threads: number;
  /** `cpu` or `cuda:N`. */
  readonly device: DeviceName;
  readonly matmul: MatmulPrecision;
  readonly autotune: boolean;
  readonly seed: number;
  readonly optimizers: StepProblem['optimizers'];
  readonly tableType: StepProblem['tableType'];
  readonly parameters: number;
  /** Rows a second at the median step. */
  readonly samplesPerSecond: number;
  /** Rows over the whole time of all runs. */
  readonly samplesPerSecondMean: number;
  /** Seconds of a full batch, from one step's end to the next one's. */
  readonly step: Summary;
  readonly runs: readonly { readonly samplesPerSecond: number; readonly step: Summary }[];
  /** Seconds of a step by phase, on the program's thread; on a GPU of the program that times operations, one after the other. */
  readonly phases: PhaseTimes;
  /** Seconds of a step on the GPU, from its first launch to its last: what `step` has more is waiting for batches or launches. */
  readonly deviceSeconds?: number;
  readonly loader: {
    /** Part of the time in which the program waited for a batch. */
    readonly waitShare: number;
    /** Processor seconds of a batch on the loader's threads: columns to a batch, ids sorted by table row. */
    readonly gatherSeconds: number;
    readonly indexSeconds: number;
  };
  /** From a program that also times operations, which the figures above do not. Longest first. */
  readonly operations: readonly StepOperation[];
  readonly memory: {
    readonly arenaBytes: number;
    readonly parameterBytes: number;
    readonly peakBytes: number;
  };
  /** Heap allocations of the core; null where they cannot be counted. */
  readonly allocationsPerStep: number | null;
  readonly environment: Environment;
}

/** Steps before the first timed one: every generated batch once, so that its table rows are in memory. */
const WARM_UP_STEPS = 8;
const PROFILED_STEPS = 10;

export async function benchStep(addon: Addon, problem: StepProblem, options: StepOptions): Promise<StepResult> {
  const { threads, runs, steps, seed } = options;
  const environment = describeEnvironment(addon);
  const profiled = Math.min(PROFILED_STEPS, steps);
  const total = 2 * WARM_UP_STEPS + runs * steps + profiled;
  const loader = createStepLoader(addon, problem, { threads, seed, steps: total });
  const { batch, program: model, store } = problem;
  try {
    const program = createStepProgram(addon, problem, { threads, seed });
    const stepper = new Stepper(program, problem);
    await stepper.run(loader, WARM_UP_STEPS);
    const before = readCounters(program, loader, stepper);
    const measured: TimedSteps[] = [];
    for (let run = 0; run < runs; run += 1) measured.push(await stepper.run(loader, steps));
    const after = readCounters(program, loader, stepper);
    const seconds = measured.flatMap((run) => run.seconds);
    const wholeSeconds = seconds.reduce((sum, value) => sum + value, 0);
    const step = summarize(seconds);
    const phases = perStep(before.phases, after.phases, seconds.length);
    const profile = await profileSteps(addon, problem, loader, options, profiled);
    const onDevice = problem.device !== 'cpu';
    return {
      bench: 'step',
      config: problem.name,
      batch,
      threads,
      device: problem.device,
      matmul: problem.matmul,
      autotune: problem.autotune,
      seed,
      optimizers: problem.optimizers,
      tableType: problem.tableType,
      parameters: model.parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0),
      samplesPerSecond: batch / step.p50,
      samplesPerSecondMean: (batch * seconds.length) / wholeSeconds,
      step,
      runs: measured.map((run) => {
        const summary = summarize(run.seconds);
        return { samplesPerSecond: batch / summary.p50, step: summary };
      }),
      phases: onDevice ? profile.phases : phases,
      ...(onDevice ? { deviceSeconds: phases.tiles } : {}),
      loader: loaderTimes(before.loader, after.loader, (after.waitSeconds - before.waitSeconds) / wholeSeconds),
      operations: profile.operations,
      memory: {
        arenaBytes: program.bytes,
        parameterBytes: store.bytes,
        peakBytes: process.resourceUsage().maxRSS * 1024,
      },
      allocationsPerStep:
        after.allocations === null ? null : (after.allocations - (before.allocations ?? 0)) / seconds.length,
      environment,
    };
  } finally {
    loader.close();
  }
}

function readCounters(program: NativeProgram, loader: NativeLoader, stepper: Stepper) {
  const { waitSeconds, allocations } = stepper;
  return { phases: program.times(), loader: loader.stats(), waitSeconds, allocations };
}

function perStep(before: PhaseTimes, after: PhaseTimes, steps: number): PhaseTimes {
  const part = (phase: keyof PhaseTimes): number => (after[phase] - before[phase]) / steps;
  return {
    prologue: part('prologue'),
    tiles: part('tiles'),
    reduce: part('reduce'),
    transform: part('transform'),
    update: part('update'),
  };
}

function loaderTimes(before: LoaderStats, after: LoaderStats, waitShare: number): StepResult['loader'] {
  const batches = Math.max(after.assembled - before.assembled, 1);
  return {
    waitShare,
    gatherSeconds: (after.gatherSeconds - before.gatherSeconds) / batches,
    indexSeconds: (after.indexSeconds - before.indexSeconds) / batches,
  };
}

/** A second program on the same parameters, which times its operations: an event between every two on a GPU. */
async function profileSteps(
  addon: Addon,
  problem: StepProblem,
  loader: NativeLoader,
  options: StepOptions,
  steps: number,
): Promise<{ readonly operations: StepOperation[]; readonly phases: PhaseTimes }> {
  const { plan } = problem.program;
  const program = createStepProgram(addon, problem, { threads: options.threads, seed: options.seed, profile: true });
  const stepper = new Stepper(program, problem);
  await stepper.run(loader, WARM_UP_STEPS);
  const before = program.operationTimes();
  const phasesBefore = program.times();
  const { rows } = await stepper.run(loader, steps);
  const after = program.operationTimes();
  const operations = after.map(({ seconds }, i) => seconds - (before[i]?.seconds ?? 0));
  const total = operations.reduce((sum, value) => sum + value, 0);
  const planned = plan.segments.flatMap((segment) => segment.ops);
  const timed = after.map(({ kind, layer, backward }, i): StepOperation => {
    const seconds = operations[i] ?? 0;
    const op = planned[i];
    const counted = op !== undefined && isProduct(op.kind);
    const gflops = counted ? { gflops: operationCost(plan, op, rows).flops / seconds / 1e9 } : {};
    return { kind, layer, backward, secondsPerStep: seconds / steps, share: seconds / total, ...gflops };
  });
  return {
    operations: timed.sort((a, b) => b.secondsPerStep - a.secondsPerStep),
    phases: perStep(phasesBefore, program.times(), steps),
  };
}
