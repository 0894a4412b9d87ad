import assert from 'node:assert/strict';
import type { TaskConfig } from '../../src/config/types.js';
import type { FeatureMap } from '../../src/data/features.js';
import type { TaskSourceSpec } from '../../src/runtime/native.js';
import { resolveTasks } from '../../src/train/tasks.js';
import { TWO_TOWER } from '../models/fixtures.js';

const FEATURES: FeatureMap = { version: 1, features: [], tables: [], cqs: { mean: 2, std: 0.5 } };
const ALL = [
  'role.click',
  'role.impression',
  'role.ctrTraffic',
  'role.finalCtr',
  'role.cqs',
  'role.conversion',
  'label.dwell',
];

function task(rest: Partial<TaskConfig> = {}): TaskConfig {
  return { weight: 1, loss: 'bce', delta: 1, ...rest };
}

function sourceOf(name: string, config: TaskConfig, columns: readonly string[] = ALL): TaskSourceSpec {
  const [resolved] = resolveTasks({ model: TWO_TOWER, tasks: { [name]: config } }, FEATURES, new Set(columns));
  assert.ok(resolved);
  return resolved.source;
}

/** One row of a log as the loader sees it. */
interface Row {
  readonly [column: string]: number;
}

/** The loader's rule (loader.h, TaskSource) on one row: its target, or null when masked. */
function target(source: TaskSourceSpec, row: Row): number | null {
  const shown = source.shown === undefined || row[source.shown] !== 0;
  const unseen = { label: row[source.pseudo ?? source.target], negative: 0, none: Number.NaN }[
    source.unseen ?? 'label'
  ];
  const value = (shown ? row[source.target] : unseen) ?? Number.NaN;
  const traffic = source.traffic === undefined || row[source.traffic] !== 0;
  return traffic && !Number.isNaN(value) ? (source.scale ?? 1) * (value - (source.shift ?? 0)) : null;
}

describe('which row trains which task', () => {
  const base = { 'role.finalCtr': 0.2, 'role.cqs': 3 };
  const rows: readonly (readonly [
    what: string,
    row: Row,
    ctr: number | null,
    cqs: number | null,
    teacher: number | null,
  ])[] = [
    [
      'impression in CTR traffic',
      { ...base, 'role.impression': 1, 'role.ctrTraffic': 1, 'role.click': 1 },
      1,
      0.6,
      0.2,
    ],
    [
      'impression outside it',
      { ...base, 'role.impression': 1, 'role.ctrTraffic': 0, 'role.click': 1 },
      null,
      0.6,
      null,
    ],
    [
      'augmented in CTR traffic',
      { ...base, 'role.impression': 0, 'role.ctrTraffic': 1, 'role.click': Number.NaN },
      0.2,
      0.6,
      0.2,
    ],
    [
      'augmented outside it',
      { ...base, 'role.impression': 0, 'role.ctrTraffic': 0, 'role.click': Number.NaN },
      null,
      0.6,
      null,
    ],
    [
      'augmented without eCTR and CQS',
      {
        'role.impression': 0,
        'role.ctrTraffic': 1,
        'role.click': Number.NaN,
        'role.finalCtr': Number.NaN,
        'role.cqs': Number.NaN,
      },
      null,
      null,
      null,
    ],
    [
      'impression without eCTR',
      { 'role.impression': 1, 'role.ctrTraffic': 1, 'role.click': 0, 'role.finalCtr': Number.NaN, 'role.cqs': 1 },
      0,
      -0.6,
      null,
    ],
  ];
  for (const [what, row, ctr, cqs, teacher] of rows) {
    it(what, () => {
      assert.equal(target(sourceOf('ctr', task()), row), ctr);
      const scaled = target(sourceOf('cqs', task({ loss: 'mse', scale: 0.3 })), row);
      assert.equal(scaled === null ? null : Number(scaled.toFixed(12)), cqs);
      assert.equal(target(sourceOf('teacher', task({ target: 'own', mask: 'ctrTraffic' })), row), teacher);
    });
  }

  it('takes augmented rows as hard negatives or not at all', () => {
    const augmented = { ...base, 'role.impression': 0, 'role.ctrTraffic': 1, 'role.click': Number.NaN };
    const shown = { ...augmented, 'role.impression': 1, 'role.click': 1 };
    const negative = sourceOf('ctr', task({ augmented: 'negative' }));
    assert.equal(target(negative, augmented), 0);
    assert.equal(target(negative, { ...augmented, 'role.finalCtr': Number.NaN }), 0);
    assert.equal(target(negative, { ...augmented, 'role.ctrTraffic': 0 }), null);
    assert.equal(target(negative, shown), 1);
    const none = sourceOf('ctr', task({ augmented: 'none' }));
    assert.equal(target(none, augmented), null);
    assert.equal(target(none, shown), 1);
  });

  it('trains the teacher outside CTR traffic with mask hasFinalCtr', () => {
    const row = { 'role.ctrTraffic': 0, 'role.finalCtr': 0.4 };
    assert.equal(target(sourceOf('teacher', task({ target: 'own', mask: 'hasFinalCtr' })), row), 0.4);
  });

  it('refuses teacher target ctr with mask hasFinalCtr', () => {
    assert.throws(() => sourceOf('teacher', task({ target: 'ctr', mask: 'hasFinalCtr' })), { code: 'CONFIG_INVALID' });
  });

  it('trains the teacher on the CTR logits with target ctr', () => {
    const config = { model: TWO_TOWER, tasks: { ctr: task(), teacher: task({ target: 'ctr' }) } };
    const [ctr, teacher] = resolveTasks(config, FEATURES, new Set(ALL));
    assert.equal(ctr?.model.logitsOf, undefined);
    assert.equal(teacher?.model.logitsOf, 'ctr');
  });

  it('takes every row as shown and in CTR traffic without these columns', () => {
    const source = sourceOf('ctr', task(), ['role.click', 'role.finalCtr']);
    assert.deepEqual(
      { ...source },
      {
        target: 'role.click',
        shown: undefined,
        pseudo: undefined,
        unseen: undefined,
        traffic: undefined,
        probability: true,
      },
    );
  });

  it('masks clicks and conversions of ordinary tasks where the ad was not shown', () => {
    const source = sourceOf('buy', task({ label: 'conversion' }));
    assert.equal(target(source, { 'role.impression': 0, 'role.conversion': 0 }), null);
    assert.equal(target(source, { 'role.impression': 1, 'role.conversion': 1 }), 1);
  });

  it('learns conversions of clicks, and of impressions', () => {
    const columns = [...ALL, 'derived.cvr', 'derived.ctcvr'];
    const cvr = sourceOf('cvr', task(), columns);
    const ctcvr = sourceOf('ctcvr', task(), columns);
    assert.equal(target(cvr, { 'role.impression': 1, 'derived.cvr': Number.NaN }), null);
    assert.equal(target(cvr, { 'role.impression': 1, 'derived.cvr': 1 }), 1);
    assert.equal(target(ctcvr, { 'role.impression': 1, 'derived.ctcvr': 0 }), 0);
    assert.equal(target(ctcvr, { 'role.impression': 0, 'derived.ctcvr': 0 }), null);
  });

  it('reads labels that are no role from their own column', () => {
    assert.equal(sourceOf('dwell', task({ label: 'dwell', loss: 'mse' })).target, 'label.dwell');
    assert.equal(sourceOf('dwell', task({ label: 'dwell', loss: 'mse' })).probability, false);
  });

  it('names a label column that is missing', () => {
    assert.throws(() => sourceOf('x', task({ label: 'unknown' })), {
      code: 'COLUMN_MISSING',
      message: /label\.unknown/,
    });
  });
});
