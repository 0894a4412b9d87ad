/** A log of complete requests as several runs read it: encoded once for each feature map. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson } from '../base/compare.js';
import { PrerankError } from '../base/errors.js';
import { datasetOf } from '../config/dataset-source.js';
import type { ResolvedConfig, SourceConfig } from '../config/types.js';
import { type EncodedSet, openSet } from '../train/encoded-set.js';
import type { Run } from '../train/run.js';
import { readingAll } from '../train/whole-log.js';

export class ReplayLog {
  readonly #sets = new Map<string, Promise<EncodedSet>>();

  private constructor(
    private readonly source: SourceConfig,
    private readonly folder: string,
    private readonly temporary: boolean,
  ) {}

  /**
   * @param source Parquet files (or what else a configuration may name), or the folder of a dataset.
   * @param folder where encoded files are kept for the next time; default: a temporary folder, removed by `close`.
   */
  static async open(source: SourceConfig, folder?: string): Promise<ReplayLog> {
    if (folder !== undefined) return new ReplayLog(source, folder, false);
    return new ReplayLog(source, await mkdtemp(join(tmpdir(), 'prerank-replay-')), true);
  }

  /**
   * The log with the roles and labels of the run's configuration that it has. Every row is kept, in the log's order, so that
   * the sets of all runs have the same rows.
   * @throws PrerankError for unreadable data, and TOO_MANY_BAD_ROWS for the first bad row.
   */
  async set(run: Run): Promise<EncodedSet> {
    const { config, features } = run;
    const reading = readingAll(config);
    const key = createHash('sha256')
      .update(canonicalJson([features, reading.data.columns, reading.tasks]))
      .digest('hex')
      .slice(0, 16);
    const known = this.#sets.get(key);
    const opened = known ?? this.#open(run, reading, join(this.folder, key));
    this.#sets.set(key, opened);
    const set = await opened;
    await this.#checkRows(set);
    return set;
  }

  #open({ addon, config, features }: Run, reading: ResolvedConfig, folder: string): Promise<EncodedSet> {
    const { source } = this;
    return datasetOf(source, 'eval') === undefined
      ? openSet(addon, { config: reading, split: 'eval', folder, features, source, optionalRoles: true })
      : openSet(addon, { config, split: 'eval', folder, features, source });
  }

  async #checkRows(set: EncodedSet): Promise<void> {
    const [first] = this.#sets.values();
    const rows = (await first)?.rows;
    if (rows === set.rows) return;
    throw new PrerankError('DATASET_CHANGED', `a log has ${set.rows} rows for one run and ${rows} for another`);
  }

  async close(): Promise<void> {
    for (const opened of this.#sets.values()) (await opened).close();
    this.#sets.clear();
    if (this.temporary) await rm(this.folder, { recursive: true, force: true });
  }
}
