/** One simulated system with one seed for models that are compared on a later log: logs, dataset, runs and figures, each made once and kept. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { writeJsonDurable } from '../base/files.js';
import type { SimulationConfig } from '../cascade/config.js';
import { loadConfig } from '../config/load.js';
import type { ConfigInput } from '../config/schema.js';
import { DATASET_FILE } from '../data/dataset-file.js';
import { ingest } from '../data/ingest.js';
import { contentKey } from './content-key.js';
import { judgeRanking, type Score } from './judge-ranking.js';
import { RANKING } from './model-measures.js';
import type { ModelArm, ModelPlan, ModelStudy } from './model-study.js';
import type { RankingMetrics } from './ranking.js';
import { planOf, type SeedWorldOptions } from './seed-world.js';
import { isTrained, type OnProgress, summaryOf, trainRun } from './train-run.js';
import { WorldLogs } from './world-logs.js';

/** By task, or of `ranking`. */
export type Metrics = Readonly<Record<string, Readonly<Record<string, number | null>>>>;

/** What the data of models are split into: a log to train on, and one to be judged on. */
const SPLITS = ['train', 'eval'] as const;

export class ModelWorld {
  readonly #dataKey: string;
  readonly #logs: WorldLogs;

  constructor(
    private readonly config: SimulationConfig,
    private readonly study: ModelStudy,
    private readonly options: SeedWorldOptions,
  ) {
    const logs = contentKey(config);
    this.#dataKey = contentKey({ logs, data: study.data(config, ''), tasks: this.#labels() });
    this.#logs = new WorldLogs(options.out, logs);
  }

  /** The tasks of all models, whose labels the dataset must hold. */
  #labels(): NonNullable<ConfigInput['tasks']> {
    return Object.assign({}, this.study.tasks, ...Object.values(this.study.models).map(({ tasks }) => tasks ?? {}));
  }

  get hasLogs(): boolean {
    return this.#logs.exist;
  }

  async makeLogs(onProgress?: OnProgress): Promise<void> {
    const { threads, signal } = this.options;
    await this.#logs.make(this.config, { threads, signal }, onProgress);
  }

  get #dataset(): string {
    return join(this.#logs.folder, 'data', this.#dataKey);
  }

  get hasDataset(): boolean {
    return SPLITS.every((split) => existsSync(join(this.#dataset, split, DATASET_FILE)));
  }

  async makeDataset(): Promise<void> {
    const { threads, signal } = this.options;
    const config = loadConfig({ data: this.study.data(this.config, this.#logs.path), tasks: this.#labels() });
    await ingest(config, { out: this.#dataset, threads, signal });
  }

  /** Arms of a model that are judged by how a score ranks. */
  #scored(model: string): boolean {
    return Object.values(this.study.arms).some((arm) => arm.model === model && arm.score !== null);
  }

  /** Everything that decides a run's parameters but the rows. */
  #settings({ model, tasks, training }: ModelPlan): Omit<ConfigInput, 'data'> {
    return {
      name: this.study.name,
      model,
      tasks: tasks ?? this.study.tasks,
      training: { seed: this.config.seed, ...this.study.training, ...training },
      evaluation: { metrics: ['auc', 'logLoss'] },
    };
  }

  #key(model: string): string {
    const { name: _name, ...settings } = this.#settings(planOf(this.study.models, model));
    return contentKey({ data: this.#dataKey, settings, set: this.options.set ?? [] });
  }

  runFolder(model: string): string {
    return join(this.options.out, 'runs', this.#key(model));
  }

  #judged(model: string): string {
    return join(this.#logs.folder, 'judged', `${this.#key(model)}.json`);
  }

  async hasRun(model: string): Promise<boolean> {
    return (await isTrained(this.runFolder(model))) && (!this.#scored(model) || existsSync(this.#judged(model)));
  }

  /** Trains and judges, or goes on from the last checkpoint. */
  async makeRun(model: string, onProgress?: OnProgress): Promise<void> {
    const { set = [], threads } = this.options;
    const scored = this.#scored(model);
    const data = { ...this.study.data(this.config, this.#logs.path), eval: undefined };
    const train = scored ? join(this.#dataset, 'train') : this.#dataset;
    const settings = this.#settings(planOf(this.study.models, model));
    const config = loadConfig({ ...settings, data: { ...data, train } }, { set });
    const folder = this.runFolder(model);
    await trainRun(config, folder, this.options, onProgress);
    if (!scored) return;
    const { passed } = this.config.cascade;
    const found = await judgeRanking(folder, join(this.#dataset, 'eval'), { passed, threads });
    await mkdir(join(this.#logs.folder, 'judged'), { recursive: true });
    await writeJsonDurable(this.#judged(model), found);
  }

  /** Of an arm whose model is trained. */
  async metrics({ model, score }: ModelArm): Promise<Metrics> {
    const folder = this.runFolder(model);
    if (score === null) {
      const evaluation = (await summaryOf(folder))?.metrics.eval ?? null;
      if (evaluation === null) throw new PrerankError('INTERNAL', `${folder} has not been judged`, { file: folder });
      return evaluation;
    }
    const judged = JSON.parse(await readFile(this.#judged(model), 'utf8')) as Partial<Record<Score, RankingMetrics>>;
    const found = judged[score];
    if (found === undefined) throw new PrerankError('INTERNAL', `model ${model} has no score ${score}`);
    return { [RANKING]: { ...found } };
  }
}
