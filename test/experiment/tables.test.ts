import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArmResult, ExperimentResult } from '../../src/experiment/experiment.js';
import { requiredHold } from '../../src/experiment/experiment.js';
import { htmlReport } from '../../src/experiment/html.js';
import { markdownReport } from '../../src/experiment/markdown.js';
import { MEASURES, SHOWN_MEASURES } from '../../src/experiment/measures.js';
import { emptyRequestSums } from '../../src/experiment/request-sums.js';
import type { RowResult } from '../../src/experiment/row-results.js';
import { StepDisplay } from '../../src/experiment/step-progress.js';
import { readRequestSums, writeRequestSums } from '../../src/experiment/sums-file.js';
import { formatChange, formatP, verdict } from '../../src/experiment/tables.js';

const ROW: RowResult = {
  table: 'table3',
  row: 'without <teacher>',
  metric: 'ne',
  paper: 0.003,
  ours: 0.0312,
  low: 0.02,
  high: 0.041,
  p: 0.0008,
  change: 'relative',
  required: true,
  holds: true,
  control: { world: 'paper', arm: 'multi-task', value: 0.9 },
  treatment: { world: 'paper', arm: 'no teacher', value: 0.93 },
  seeds: [0.03, -0.01],
};

const FAILED: RowResult = { ...ROW, row: 'negatives', metric: 'softRecall', ours: 0.01, p: 0.2, holds: false };

function result(rows: readonly RowResult[]): ExperimentResult {
  const figure = { value: 0.81234, low: 0.8, high: 0.82 };
  const values = Object.fromEntries(Object.keys(MEASURES).map((name) => [name, figure])) as ArmResult['values'];
  const arms = [{ world: 'paper', arm: 'multi-task', values }];
  const points = [0, 1].map((x) => ({ x, ...figure }));
  const curves = [{ title: 'Noise', measure: 'softRecall' as const, x: 'τ', series: [{ name: 'multi-task', points }] }];
  const study = {
    name: 'table3',
    title: 'Table 3',
    text: 'Text.',
    basis: 'requests' as const,
    shown: SHOWN_MEASURES,
    arms,
    rows,
    curves,
  };
  return { seeds: 2, preset: 'paper', set: [], steps: 0, seconds: 1, studies: [study] };
}

describe('reports of an experiment', () => {
  it('writes changes with signs and units', () => {
    assert.equal(formatChange(0.0123, 'relative'), '+1.23 %');
    assert.equal(formatChange(-0.5, 'relative'), '−50.00 %');
    assert.equal(formatChange(-0.0021, 'absolute'), '−0.0021');
    assert.equal(formatChange('worse', 'relative'), 'worse');
    assert.equal(formatChange(null, 'relative'), '–');
    assert.deepEqual([formatP(0.04321), formatP(0.0009), formatP(1), formatP(null)], ['.043', '≤ .001', '1.000', '–']);
  });

  it('says what became of a claim', () => {
    assert.equal(verdict(ROW), '**holds**');
    assert.equal(verdict({ ...ROW, required: false }), 'holds');
    assert.equal(verdict(FAILED), '**fails: not significant**');
    assert.equal(verdict({ ...FAILED, p: 0.001, required: false }), 'opposite sign');
    assert.equal(verdict({ ...ROW, holds: null }), 'no sign expected');
    assert.equal(verdict({ ...ROW, holds: null, paper: null }), '');
  });

  it('fails when a required row does not hold, and not for others', () => {
    assert.equal(requiredHold(result([ROW])), true);
    assert.equal(requiredHold(result([ROW, FAILED])), false);
    assert.equal(requiredHold(result([ROW, { ...FAILED, required: false }])), true);
  });

  it('makes Markdown tables with the paper beside ours', () => {
    const lines = markdownReport(result([ROW, FAILED])).split('\n');
    assert.ok(lines.includes('## Table 3'));
    const row =
      '| without <teacher> | NE of CTR | +0.30 % | +3.12 % | +2.00 % … +4.10 % | ≤ .001 | 1/2 | yes | **holds** |';
    assert.ok(lines.includes(row), lines.join('\n'));
    assert.equal(lines.at(-1), '2 seeds; required rows that hold: 1 of 2.');
    const widths = lines.filter((line) => line.startsWith('| without') || line.startsWith('| row'));
    assert.equal(new Set(widths.map((line) => line.split(' | ').length)).size, 1);
  });

  it('makes one self-contained page with plots', async () => {
    const page = await htmlReport(result([ROW, FAILED]));
    assert.equal(page.match(/<svg/g)?.length, 4, 'two metrics, a curve, the arms');
    assert.ok(page.includes('without &lt;teacher&gt;'));
    assert.ok(
      page.includes('<td class="holds">holds</td>') && page.includes('<td class="fails">fails: not significant</td>'),
    );
    const links = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]);
    assert.deepEqual(links, []);
    assert.ok(!page.includes('<script'));
  });
});

describe('request sums on disk', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-sums-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('are read as they were written', async () => {
    const sums = emptyRequestSums({ cascade: 3, heldOut: 2 });
    for (const [i, column] of [...Object.values(sums.cascade), ...Object.values(sums.heldOut)].entries()) {
      for (let request = 0; request < column.length; request += 1) column[request] = i + request / 3;
    }
    const path = join(folder, 'a.sums');
    await writeRequestSums(path, sums);
    assert.deepEqual(await readRequestSums(path), sums);
    await truncate(path, 400);
    await assert.rejects(readRequestSums(path), { code: 'DATA_INVALID' });
  });
});

describe('progress of an experiment', () => {
  const step = { title: 'seed 1: train cqs', number: 2, total: 4, share: 0.5 };

  it('is a line a step where there is no terminal', () => {
    const written: string[] = [];
    const display = new StepDisplay({ write: (text) => written.push(text) }, () => 0);
    display.update({ ...step, share: 0 });
    display.update(step);
    display.update({ ...step, number: 3 });
    display.close();
    assert.deepEqual(written, ['2/4  0:00  seed 1: train cqs\n', '3/4  0:00  seed 1: train cqs\n']);
  });

  it('is a bar of the whole work on a terminal', () => {
    const written: string[] = [];
    const display = new StepDisplay({ isTTY: true, columns: 80, write: (text) => written.push(text) }, () => 65_000);
    display.update(step);
    display.close();
    const [bar = '', end] = written;
    assert.ok(bar.includes('[========            ] 2/4 0:00  seed 1: train cqs 50 %'), bar);
    assert.equal(end, '\n');
  });
});
