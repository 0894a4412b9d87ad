/** `npm start`: sets up what is missing, then shows what the framework is worth on a simulated ads cascade. */
import { join, relative } from 'node:path';
import { ROOT } from './lib/root.mjs';
import { setup } from './setup.mjs';

const OUT = join(ROOT, 'runs', 'start');

const NAMES = {
  random: 'random ranker',
  'clicks alone': 'clicks alone',
  'multi-task': 'early-stage model',
  oracle: 'knows the truth',
};

const COLUMNS = [
  ['click NE', 'ne'],
  ['soft recall@30', 'softRecall'],
  ['total value', 'totalValue'],
  ['CTR', 'ctr'],
  ['cross-outs', 'crossOutRate'],
];

function line(name, cells) {
  return name.padEnd(18) + cells.map((cell, i) => cell.padStart(Math.max(COLUMNS[i][0].length, 6) + 3)).join('');
}

async function main() {
  const status = await setup();
  if (status !== 0) return status;
  const { runExperiment } = await import('../dist/experiment/experiment.js');
  const { writeReports } = await import('../dist/experiment/report.js');
  const { StepDisplay } = await import('../dist/experiment/step-progress.js');
  const display = new StepDisplay(process.stderr);
  const result = await runExperiment({
    studies: ['quick-start'],
    seeds: 1,
    out: OUT,
    onStep: (step) => display.update(step),
  });
  display.close();
  const { html } = await writeReports(result, OUT);
  const [{ arms, rows }] = result.studies;
  console.log('\nJudged on 600 requests of 300 ads each, which no model was trained on:\n');
  const head = line(
    '',
    COLUMNS.map(([title]) => title),
  );
  console.log(`${head}\n${'-'.repeat(head.length)}`);
  for (const { arm, values } of arms) {
    const cells = COLUMNS.map(([, measure]) => values[measure].value?.toFixed(4) ?? '-');
    console.log(line(NAMES[arm] ?? arm, cells));
  }
  const { ours, low, high } = rows.find(({ metric }) => metric === 'softRecall');
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  console.log(`
NE: below 1 is better than the mean. Soft recall: the total value, as the final stage sees it, of the 30 ads that an early stage
passes on, relative to the best 30. Then, per ad shown in the end: total value, clicks and cross-outs.
The early-stage model's soft recall is ${percent(ours)} above that of clicks alone (95 % interval ${percent(low)} to ${percent(high)}).
Plots: ${relative(process.cwd(), html)}. The paper's tables: npx prerank experiment table1 table2 table3 table4`);
  return 0;
}

process.exitCode = await main();
