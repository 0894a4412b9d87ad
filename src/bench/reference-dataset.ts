/** A dataset folder of two-tower-d's rows. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/load.js';
import { ingest } from '../data/ingest.js';
import { referenceLog, referenceLogConfig } from './reference-log.js';
import { referenceStep } from './reference-steps.js';

const BATCHES = 8;
const BATCH_ROWS = 65_536;

/** Ingests half a million rows of two-tower-d into a temporary folder, which is removed after `use`. */
export async function withReferenceDataset(seed: number, use: (folder: string) => Promise<void>): Promise<void> {
  const step = referenceStep('two-tower-d');
  const out = await mkdtemp(join(tmpdir(), 'prerank-bench-'));
  try {
    const source = referenceLog(step, BATCHES, BATCH_ROWS, seed);
    const { train } = await ingest(loadConfig(referenceLogConfig(step)), { out, split: 'train', source });
    if (train !== null) await use(train.dir);
  } finally {
    await rm(out, { recursive: true });
  }
}
