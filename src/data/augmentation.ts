/** Which non-impressions are kept for training: a deterministic draw per request (framework §4.2). */
import { type ResolvedConfig, STAGES } from '../config/types.js';
import type { ChunkVector } from './chunk.js';
import { literal } from './duckdb.js';
import type { ColumnEncoder, Hasher } from './encoders.js';
import { columnSql, type Log } from './log.js';
import { namedSql, numberSql } from './plan-columns.js';
import type { Verdict } from './verdict.js';

const IMPRESSION_STAGE = STAGES.indexOf('impression');
const FINAL_STAGE = STAGES.indexOf('final');
const HASH_RANGE = 2 ** 64;

/**
 * Keeps every impression, and a non-impression of the pool when hash64(seed, request, ad) < rate · 2⁶⁴ with
 * rate = perRequest / size of the request's pool. hash64 is xxHash64 of the UTF-8 text `seed/request/ad`.
 */
export class AugmentationFilter implements ColumnEncoder {
  readonly select: readonly string[];
  readonly outputs = [];

  private constructor(
    shown: string,
    inPool: string,
    poolSize: string,
    key: string,
    private readonly perRequest: number,
    private readonly hasher: Hasher,
  ) {
    this.select = [shown, inPool, poolSize, key];
  }

  /** Undefined when the configuration keeps all rows. */
  static create(log: Log, config: ResolvedConfig, hasher: Hasher): AugmentationFilter | undefined {
    const { augmentation, columns } = config.data;
    if (!augmentation || columns.request === undefined || columns.ad === undefined) return undefined;
    const stage = columns.stage && namedSql(log, columns.stage, STAGES, 'data.columns.stage');
    const impression = columns.impression && numberSql(log, columns.impression, 'data.columns.impression');
    const shown = impression ? `(${impression} = 1)` : `(${stage} >= ${IMPRESSION_STAGE})`;
    const pools = { final: `${stage} >= ${FINAL_STAGE}`, early: `${stage} < ${FINAL_STAGE}`, mixed: 'true' };
    const inPool = `coalesce(NOT ${shown} AND (${pools[augmentation.pool]}), false)`;
    const request = columnSql(log.column(columns.request, 'data.columns.request'));
    const ad = columnSql(log.column(columns.ad, 'data.columns.ad'));
    return new AugmentationFilter(
      `coalesce(${shown}, true)`,
      inPool,
      `CAST(count(*) FILTER (${inPool}) OVER (PARTITION BY ${request}) AS DOUBLE)`,
      `concat(${literal(String(config.training.seed))}, '/', ${request}, '/', ${ad})`,
      augmentation.perRequest ?? 1,
      hasher,
    );
  }

  load([shownVector, poolVector, sizeVector, keyVector]: readonly ChunkVector[], verdict: Verdict): void {
    if (!shownVector || !poolVector || !sizeVector || !keyVector) return;
    const shown = shownVector.boolean();
    const inPool = poolVector.boolean();
    const sizes = sizeVector.float64();
    const { bytes, offsets } = keyVector.utf8();
    const hashes = this.hasher.hashUtf8(bytes, offsets);
    for (let row = 0; row < shown.length; row++) {
      if (shown[row] === 1) continue;
      const rate = this.perRequest / (sizes[row] ?? 1);
      if (inPool[row] !== 1 || Number(hashes[row] ?? 0n) >= rate * HASH_RANGE) verdict.sampleOut(row);
    }
  }

  append(): void {}
}
