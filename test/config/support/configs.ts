/** Configurations to begin from, and what a refused one must say. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrerankError } from '../../../src/base/errors.js';
import { type ConfigOverrides, loadConfig } from '../../../src/config/load.js';
import type { ConfigInput } from '../../../src/config/schema.js';

export const EXAMPLE = `name: early-stage
data:
  train: logs/train/*.parquet
  eval: [logs/eval/a.parquet, /abs/b.parquet]
  columns:
    request: request_id
    ad: ad_id
    impression: shown
    click: click
    ctrTraffic: ctr_traffic
    finalCtr: ectr
    cqs: { events: [ { column: p_cross_out, scalar: -1.5 }, { column: p_survey_good, scalar: 0.125 } ] }
    bid: bid
    finalTotalValue: total_value
    time: ts
  augmentation: { pool: mixed, perRequest: 4 }
  shuffle: window
  nulls: default
  maxBad: 0
  features:
    user:
      - { name: age, kind: dense, transform: standardize }
      - { name: country, kind: categorical, vocabulary: { minFrequency: 3 } }
      - { name: recent_ads, kind: multi, table: ad_id }
    ad:
      - { name: ad_id, kind: categorical, hash: { buckets: 1000000 } }
model:
  kind: two-tower
  embeddingDim: 16
  bottom: [64, 16]
  interaction: { kind: dot, keepVectors: true }
  tower: { hidden: [64], out: 32 }
  merge: concat+hadamard
  heads: { hidden: [32] }
tasks:
  ctr:     { weight: 1 }
  cqs:     { weight: 1.5, loss: mse, scale: 0.3 }
  teacher: { weight: 2, target: own }
training:
  batchSize: 4096
  epochs: 1
  checkpointEverySteps: 1000
  sparseOptimizer: { kind: rowwise-adagrad, lr: 0.02 }
  denseOptimizer: { kind: adam, lr: 0.001 }
  seed: 1
  device: auto
evaluation: { k: 50, metrics: [ne, auc, gauc, calibration, nmse, hardRecall, softRecall] }
auction: { form: additive, f: { kind: identity } }
`;

/** A small valid configuration for dlrm. */
export function dlrm(): ConfigInput {
  return {
    data: {
      train: '/logs/train.parquet',
      columns: { click: 'click' },
      features: [
        { name: 'age', kind: 'dense' },
        { name: 'city', kind: 'categorical' },
      ],
    },
    model: { kind: 'dlrm' },
    tasks: { click: { label: 'click' } },
  };
}

export function invalid(load: () => unknown, ...patterns: RegExp[]): void {
  assert.throws(load, (error: unknown) => {
    assert.ok(error instanceof PrerankError);
    assert.equal(error.code, 'CONFIG_INVALID');
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

export const invalidWith = (overrides: object, ...patterns: RegExp[]): void =>
  invalid(() => loadConfig(dlrm(), { overrides: overrides as ConfigOverrides }), ...patterns);

/** A temporary folder of configuration files, for the `describe` that it is called in; it has a folder `sub`. */
export interface ConfigFolder {
  /** Known when the tests run. */
  readonly dir: string;
  /** Writes a file and gives its path. */
  readonly file: (text: string, name?: string) => string;
}

export function configFolder(): ConfigFolder {
  let dir = '';
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'prerank-config-'));
    mkdirSync(join(dir, 'sub'));
  });
  after(() => rmSync(dir, { recursive: true }));
  return {
    get dir() {
      return dir;
    },
    file(text, name = 'config.yaml') {
      const path = join(dir, name);
      writeFileSync(path, text);
      return path;
    },
  };
}
