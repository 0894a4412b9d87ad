/** One simulated system with one seed for models that are compared on its evaluation log: logs, dataset and runs, each made once and kept. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import type { SimulationConfig } from '../cascade/config.js';
import { simulate } from '../cascade/simulate.js';
import { loadConfig } from '../config/load.js';
import type { ConfigInput } from '../config/schema.js';
import { DATASET_FILE } from '../data/dataset-file.js';
import { ingest } from '../data/ingest.js';
import type { MetricValues } from '../train/evaluation-result.js';
import { contentKey } from './content-key.js';
import type { ModelPlan, ModelStudy } from './model-study.js';
import type { SeedWorldOptions } from './seed-world.js';
import { isTrained, type OnProgress, summaryOf, trainRun } from './train-run.js';

export class ModelWorld {
  readonly #config: SimulationConfig;
  readonly #logsKey: string;
  readonly #dataKey: string;
  readonly #folder: string;

  /** @param config its replay log is not used, and made as short as may be. */
  constructor(
    config: SimulationConfig,
    private readonly study: ModelStudy,
    private readonly options: SeedWorldOptions,
  ) {
    this.#config = { ...config, requests: { ...config.requests, replay: 1 } };
    this.#logsKey = contentKey(this.#config);
    this.#dataKey = contentKey({ logs: this.#logsKey, data: study.data(this.#config, ''), tasks: study.tasks });
    this.#folder = join(options.out, 'worlds', this.#logsKey);
  }

  get #logs(): string {
    return join(this.#folder, 'logs');
  }

  get hasLogs(): boolean {
    return existsSync(join(this.#logs, 'simulation.json'));
  }

  async makeLogs(onProgress?: OnProgress): Promise<void> {
    const { threads, signal } = this.options;
    await mkdir(this.#folder, { recursive: true });
    await simulate(this.#config, {
      out: this.#logs,
      threads,
      signal,
      onProgress: ({ requests, totalRequests }) => onProgress?.(requests, totalRequests),
    });
  }

  get #dataset(): string {
    return join(this.#folder, 'data', this.#dataKey);
  }

  get hasDataset(): boolean {
    return ['train', 'eval'].every((split) => existsSync(join(this.#dataset, split, DATASET_FILE)));
  }

  async makeDataset(): Promise<void> {
    const { threads, signal } = this.options;
    const config = loadConfig({ data: this.study.data(this.#config, this.#logs), tasks: this.study.tasks });
    await ingest(config, { out: this.#dataset, threads, signal });
  }

  /** Everything that decides a run's parameters but the rows. */
  #settings({ model, training }: ModelPlan): Omit<ConfigInput, 'data'> {
    return {
      name: this.study.name,
      model,
      tasks: this.study.tasks,
      training: { seed: this.#config.seed, ...this.study.training, ...training },
      evaluation: { metrics: ['auc', 'logLoss'] },
    };
  }

  runFolder(plan: ModelPlan): string {
    const { out, set = [] } = this.options;
    const { name: _name, ...settings } = this.#settings(plan);
    return join(out, 'runs', contentKey({ data: this.#dataKey, settings, set }));
  }

  hasRun(plan: ModelPlan): Promise<boolean> {
    return isTrained(this.runFolder(plan));
  }

  /** Trains and judges, or goes on from the last checkpoint. */
  async makeRun(plan: ModelPlan, onProgress?: OnProgress): Promise<void> {
    const { set = [] } = this.options;
    const data = { ...this.study.data(this.#config, this.#logs), train: this.#dataset, eval: undefined };
    const config = loadConfig({ ...this.#settings(plan), data }, { set });
    await trainRun(config, this.runFolder(plan), this.options, onProgress);
  }

  /** By task, of a finished run on the evaluation log. */
  async metrics(plan: ModelPlan): Promise<Readonly<Record<string, MetricValues>>> {
    const folder = this.runFolder(plan);
    const evaluation = (await summaryOf(folder))?.metrics.eval ?? null;
    if (evaluation === null) throw new PrerankError('INTERNAL', `${folder} has not been judged`, { file: folder });
    return evaluation;
  }
}
