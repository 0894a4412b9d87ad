/** One simulated system with one seed: its logs, datasets, runs and judged arms, each made once and kept. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PrerankError } from '../base/errors.js';
import type { Candidates } from '../cascade/candidates.js';
import { Cascade, createStages } from '../cascade/cascade.js';
import type { SimulationConfig } from '../cascade/config.js';
import type { EarlyScores, EarlyStage } from '../cascade/stages.js';
import { SimulatedSystem } from '../cascade/system.js';
import { DATASET_FILE, readDescription } from '../data/dataset-file.js';
import { ingest } from '../data/ingest.js';
import { type ArmSpec, openArms, type QualitySpec } from './arms.js';
import { contentKey } from './content-key.js';
import { type JudgedArm, judgeArms } from './judge-arms.js';
import { modelStages } from './model-stages.js';
import type { RequestSums } from './request-sums.js';
import { RunPool } from './run-pool.js';
import type { ArmPlan, RunPlan, TrainedArmPlan, TrainingRows } from './study.js';
import { readRequestSums, writeRequestSums } from './sums-file.js';
import { isTrained, type OnProgress, trainRun } from './train-run.js';
import { finalConfig, historyOf, ingestConfig, runConfig, runSettings } from './training-plan.js';
import { WorldLogs } from './world-logs.js';

export interface SeedWorldOptions {
  /** Folder of the experiment. */
  readonly out: string;
  /** `path=value` pairs over every run's settings. */
  readonly set?: readonly string[];
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** An arm with the plans of the runs that it is made of. */
export interface PlannedArm {
  readonly name: string;
  readonly plan: ArmPlan;
  readonly runs: Readonly<Record<string, RunPlan>>;
}

/** Requests of the evaluation and replay logs are served in memory when arms are judged: on disk one of each does. */
function loggedPart(config: SimulationConfig): SimulationConfig {
  return { ...config, requests: { ...config.requests, eval: 1, replay: 1 } };
}

export class SeedWorld {
  /** The system whose impressions the final stage is trained on; null where the final stage is simulated. */
  readonly history: SeedWorld | null = null;
  readonly #logsKey: string;
  readonly #logs: WorldLogs;

  /** @param finalTrainedOn earlier requests whose impressions train the final stage. */
  constructor(
    readonly config: SimulationConfig,
    private readonly options: SeedWorldOptions,
    finalTrainedOn?: number,
  ) {
    if (finalTrainedOn !== undefined) {
      this.history = new SeedWorld(historyOf(config, finalTrainedOn), options);
      this.config = {
        ...config,
        requests: { ...config.requests, first: finalTrainedOn + config.requests.first },
        teacher: { ...config.teacher, run: resolve(this.history.finalFolder) },
      };
    }
    this.#logsKey = contentKey(relativeTo(options.out, loggedPart(this.config)));
    this.#logs = new WorldLogs(options.out, this.#logsKey);
  }

  get hasLogs(): boolean {
    return this.#logs.exist;
  }

  async makeLogs(onProgress?: OnProgress): Promise<void> {
    const { threads, signal } = this.options;
    const found = await modelStages(this.config, { threads });
    const stages = found.final === undefined ? undefined : () => found;
    await this.#logs.make(loggedPart(this.config), { threads, signal, stages }, onProgress);
  }

  /** The run of a final-stage model on these logs. */
  get finalFolder(): string {
    return join(this.options.out, 'runs', contentKey({ logs: this.#logsKey, final: finalConfig(this.config, '') }));
  }

  hasFinal(): Promise<boolean> {
    return isTrained(this.finalFolder);
  }

  async makeFinal(onProgress?: OnProgress): Promise<void> {
    await trainRun(finalConfig(this.config, this.#logs.path), this.finalFolder, this.options, onProgress);
  }

  #datasetFolder(rows: TrainingRows): string {
    return join(this.#logs.folder, 'data', rows);
  }

  hasDataset(rows: TrainingRows): boolean {
    return existsSync(join(this.#datasetFolder(rows), 'train', DATASET_FILE));
  }

  async makeDataset(rows: TrainingRows): Promise<void> {
    const { signal, threads } = this.options;
    await ingest(ingestConfig(this.config, rows, this.#logs.path), {
      out: this.#datasetFolder(rows),
      split: 'train',
      threads,
      signal,
    });
  }

  runFolder(plan: RunPlan): string {
    const { set = [] } = this.options;
    const { online, rows } = plan;
    const settings = runSettings(this.config, plan);
    return join(this.options.out, 'runs', contentKey({ logs: this.#logsKey, rows, online, settings, set }));
  }

  hasRun(plan: RunPlan): Promise<boolean> {
    return isTrained(this.runFolder(plan));
  }

  /** Trains, or goes on from the last checkpoint. */
  async makeRun(plan: RunPlan, onProgress?: OnProgress): Promise<void> {
    const folder = this.#datasetFolder(plan.rows);
    const { rows } = readDescription(join(folder, 'train'));
    const config = runConfig(runSettings(this.config, plan), plan, { folder, rows }, this.options.set ?? []);
    await trainRun(config, this.runFolder(plan), this.options, onProgress);
  }

  #armSpec({ name, plan, runs }: PlannedArm): ArmSpec | FinalArmSpec {
    if ('final' in plan || 'random' in plan) return { name, ...plan };
    if ('oracle' in plan) {
      const events = this.config.quality.events.map((event) => event.name);
      return { name, oracle: { noise: 0, events } };
    }
    const folder = (run: string): string => this.runFolder(planOf(runs, run));
    const { ctr, quality } = plan;
    return { name, ctr: { ...ctr, run: folder(ctr.run) }, quality: this.#quality(quality, folder) };
  }

  #quality(quality: TrainedArmPlan['quality'], folder: (run: string) => string): QualitySpec | null {
    if (quality === null) return null;
    if ('run' in quality) return { run: folder(quality.run) };
    const { scale, events } = this.config.quality;
    const scalarOf = (name: string): number => scale * (events.find((event) => event.name === name)?.scalar ?? 0);
    return {
      events: quality.events.map(({ run, event }) => ({ run: folder(run), task: event, scalar: scalarOf(event) })),
    };
  }

  #sumsPath(spec: ArmSpec | FinalArmSpec): string {
    const { eval: heldOut, replay } = this.config.requests;
    const { name: _name, ...parts } = spec;
    const content = relativeTo(this.options.out, parts);
    return join(this.#logs.folder, 'judged', `${contentKey({ content, heldOut, replay })}.sums`);
  }

  hasJudged(arm: PlannedArm): boolean {
    return existsSync(this.#sumsPath(this.#armSpec(arm)));
  }

  /** Judges arms together: they share runs and requests. */
  async judge(arms: readonly PlannedArm[], onProgress?: OnProgress): Promise<void> {
    const { threads, signal } = this.options;
    const system = new SimulatedSystem(this.config);
    const specs = new Map(arms.map((arm) => this.#armSpec(arm)).map((spec) => [this.#sumsPath(spec), spec]));
    const { final } = await modelStages(this.config, { threads });
    const open: JudgedArm[] = await openArms(
      [...specs].flatMap(([path, spec]) => ('final' in spec ? [] : [{ ...spec, name: path }])),
      { pool: new RunPool({ threads }), system },
    );
    for (const [name, spec] of specs) {
      if ('final' in spec)
        open.push({ name, early: new FinalAsEarly(new Cascade(system, createStages(system, { final }))) });
    }
    const judged = await judgeArms(system, open, { final, signal, onProgress });
    for (const [path, sums] of judged) await writeRequestSums(path, sums);
  }

  /** What `judge` found. */
  async sums(arm: PlannedArm): Promise<RequestSums> {
    return readRequestSums(this.#sumsPath(this.#armSpec(arm)));
  }
}

interface FinalArmSpec {
  readonly name: string;
  readonly final: true;
}

/** Ranks candidates as the final stage does. */
class FinalAsEarly implements EarlyStage {
  constructor(private readonly cascade: Cascade) {}

  async score(candidates: Candidates): Promise<EarlyScores> {
    const { scores, values } = await this.cascade.score(candidates);
    return { value: values.totalValue, ctr: scores.ctr, cqs: values.cqs };
  }
}

/** The same with paths in the experiment's folder as they are there, so that it may be moved. */
function relativeTo(out: string, value: unknown): unknown {
  const prefixes = [join(out, '/'), join(resolve(out), '/')];
  return JSON.parse(JSON.stringify(value), (_, member: unknown) => {
    if (typeof member !== 'string') return member;
    const prefix = prefixes.find((candidate) => member.startsWith(candidate));
    return prefix === undefined ? member : member.slice(prefix.length);
  });
}

export function planOf<Plan>(plans: Readonly<Record<string, Plan>>, name: string): Plan {
  const plan = plans[name];
  if (plan === undefined) throw new PrerankError('INTERNAL', `the study has no ${name}`);
  return plan;
}
