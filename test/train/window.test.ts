import assert from 'node:assert/strict';
import { EarlyStopping, metricDirection } from '../../src/train/early-stopping.js';
import { formatCount, formatDuration, Progress } from '../../src/train/progress.js';
import { MetricWindow } from '../../src/train/window.js';

const TASKS = [
  { name: 'ctr', kind: 'bce', weight: 1 },
  { name: 'cqs', kind: 'mse', weight: 1.5 },
] as const;

/** loss, weight, count, prediction, target, targetSq, nonfinite, firstRow of ctr and cqs, two steps. */
const STATS = Float64Array.of(
  ...[1, 2, 2, 0.9, 1, 1, 0, -1],
  ...[2, 4, 4, 1, 4, 12, 0, -1],
  ...[2, 2, 2, 0.6, 0, 0, 0, -1],
  ...[0, 0, 0, 0, 0, 0, 0, -1],
);

describe('metric window', () => {
  it('gives losses, NE, calibration and NMSE', () => {
    const window = new MetricWindow(TASKS);
    window.add(STATS, 2, 8, 0.5, 0.1);
    const figures = window.figures();
    assert.deepEqual(figures.loss, { total: 0.75 + 1.5 * 0.5, ctr: 0.75, cqs: 0.5 });
    const h = -0.25 * Math.log(0.25) - 0.75 * Math.log(0.75);
    assert.deepEqual(figures.ne, { ctr: 0.75 / h });
    assert.deepEqual(figures.calibration, { ctr: 1.5 });
    assert.deepEqual(figures.nmse, { cqs: 0.5 / 2 });
    assert.equal(figures.samplesPerSecond, 16);
    assert.equal(figures.waitShare, 0.2);
  });

  it('gives null where nothing is defined', () => {
    const figures = new MetricWindow(TASKS).figures();
    assert.deepEqual(figures.loss, { total: 0, ctr: null, cqs: null });
    assert.deepEqual(figures.ne, { ctr: null });
  });

  it('goes on from its state, whatever the chunks', () => {
    const whole = new MetricWindow(TASKS);
    whole.add(STATS, 2, 8, 0.5, 0.1);
    const first = new MetricWindow(TASKS);
    first.add(STATS.subarray(0, 16), 1, 4, 0.25, 0.05);
    const second = new MetricWindow(TASKS, JSON.parse(JSON.stringify(first.state())));
    second.add(STATS.subarray(16), 1, 4, 0.25, 0.05);
    assert.deepEqual(second.state(), whole.state());
    second.reset();
    assert.deepEqual(second.state(), new MetricWindow(TASKS).state());
  });
});

describe('early stopping', () => {
  it('stops after `patience` evaluations without improvement', () => {
    const stopping = new EarlyStopping({ patience: 2, minDelta: 0.01, direction: 'higher' });
    const steps = [0.5, 0.505, 0.6, 0.6, null].map((value, i) => stopping.update(i, value));
    assert.deepEqual(
      steps.map(({ improved }) => improved),
      [true, false, true, false, false],
    );
    assert.deepEqual(
      steps.map(({ stop }) => stop),
      [false, false, false, false, true],
    );
    assert.deepEqual(stopping.state, { best: 0.6, bestStep: 2, waited: 2 });
  });

  it('goes on from its state', () => {
    const stopping = new EarlyStopping(
      { patience: 2, minDelta: 0, direction: 'lower' },
      { best: 1, bestStep: 5, waited: 1 },
    );
    assert.deepEqual(stopping.update(6, 1.5), { improved: false, stop: true });
  });

  it('takes the distance to 1 of a calibration', () => {
    const stopping = new EarlyStopping({ patience: 9, minDelta: 0, direction: 'target' });
    const improved = [0.8, 1.1, 0.85, 1.05].map((value, i) => stopping.update(i, value).improved);
    assert.deepEqual(improved, [true, true, false, true]);
  });

  it('knows which way each metric is better', () => {
    const directions = {
      'eval.ctr.ne': 'lower',
      'cqs.mse': 'lower',
      'replay.tvd': 'lower',
      'ctr.auc': 'higher',
      'replay.softRecallPooled': 'higher',
      'ctr.calibrationNonImpressions': 'target',
    };
    assert.deepEqual(Object.keys(directions).map(metricDirection), Object.values(directions));
  });
});

describe('progress', () => {
  const update = {
    done: 50,
    total: 100,
    stepsPerSecond: 10,
    samplesPerSecond: 123456,
    figures: [
      ['ctr', 0.5],
      ['ne', null],
    ],
  } as const;

  it('writes a line every few seconds when it is no terminal', () => {
    const written: string[] = [];
    let now = 0;
    const progress = new Progress({ write: (text) => written.push(text) }, () => now);
    for (; now < 11_000; now += 500) {
      progress.update(update);
    }
    assert.equal(written.length, 3);
    assert.equal(written[0], 'step 50/100  123k rows/s  ctr 0.5000  left 0:05\n');
  });

  it('draws a bar on a terminal and never more than a line', () => {
    const written: string[] = [];
    const progress = new Progress({ isTTY: true, columns: 40, write: (text) => written.push(text) }, () => 0);
    progress.update(update);
    progress.line('saved');
    assert.equal(written[0]?.startsWith('\r\u001b[K[==========          ] step 50/100'), true);
    assert.equal((written[0] ?? '').length - '\r\u001b[K'.length, 39);
    assert.deepEqual(written.slice(1), ['\n', 'saved\n']);
  });

  it('formats durations and counts', () => {
    assert.deepEqual([5, 65, 3725, Number.POSITIVE_INFINITY].map(formatDuration), ['0:05', '1:05', '1:02:05', '-']);
    assert.deepEqual([12, 1234, 5_600_000].map(formatCount), ['12', '1.23k', '5.60M']);
  });
});
