/**
 * How often a cache on a GPU has the rows of tables in the host's memory, and what then crosses PCIe, worked out from the
 * distribution of a reference step's ids. Nothing here is measured.
 *
 * Usage: node bench/host-cache.mjs [--config dcn-multihot] [--tables 5] [--batch 65536] [--json]
 *
 * The step's tables with the most rows, of one width and with one optimizer state a row (row-wise Adagrad), share one cache. Of rows used least
 * recently, a cache has those of the last T steps, where T is as long as they fit (Che, Tung, Wang 2002): a row of share p of N ids is in a step
 * with q = 1 - (1 - p)^N, missing with (1 - q)^T, and rows in the cache are the sum of 1 - (1 - q)^T.
 */
import { parseArgs } from 'node:util';
import { ID_SKEW, referenceStep } from '../dist/bench/reference-steps.js';
import { markdownTable } from './markdown.mjs';

const WORD = 4;
/** What 16 lanes of PCIe 5 move in practice, each way. */
const PCIE = 55e9;
const SHARES = [0.05, 0.1, 0.2, 0.3, 0.5, 1];
/** Ranks above are taken together where they differ by less than a thousandth. */
const EXACT_RANKS = 10_000;

/** Runs of ranks of rows: how many there are, and how often one of them is drawn, relative to the first. */
function rankRuns(rows) {
  const runs = [];
  for (let first = 1; first <= rows; ) {
    const last = first < EXACT_RANKS ? first : Math.min(rows, Math.floor(first * 1.001));
    runs.push({ count: last - first + 1, weight: ((first + last) / 2) ** -ID_SKEW });
    first = last + 1;
  }
  return runs;
}

/** Of each table: runs of rows with the logarithm of the chance that a step does not use one. */
function idleRuns({ rows, ids }) {
  const runs = rankRuns(rows);
  const total = runs.reduce((sum, { count, weight }) => sum + count * weight, 0);
  return runs.map(({ count, weight }) => ({ count, logIdle: ids * Math.log1p(-weight / total) }));
}

const sumOf = (runs, term) => runs.reduce((sum, { count, logIdle }) => sum + count * term(logIdle), 0);

/** Rows of one step. */
const distinctRows = (runs) => sumOf(runs, (logIdle) => -Math.expm1(logIdle));
/** Rows of the last `steps` steps. */
const recentRows = (runs, steps) => sumOf(runs, (logIdle) => -Math.expm1(steps * logIdle));
/** Rows of one step that none of the `steps` before it used. */
const missingRows = (runs, steps) => sumOf(runs, (logIdle) => -Math.expm1(logIdle) * Math.exp(steps * logIdle));

/** As many steps as have `slots` distinct rows. */
function stepsThatFit(runs, slots) {
  let low = 0;
  let high = 1;
  while (recentRows(runs, high) < slots) high *= 2;
  for (let round = 0; round < 60; round += 1) {
    const middle = (low + high) / 2;
    if (recentRows(runs, middle) < slots) low = middle;
    else high = middle;
  }
  return low;
}

/** The tables with the most ids among those with the most rows. */
function largestTables(step, count) {
  const rows = new Map(step.features.tables.map((table) => [table.name, table.rows]));
  return step.features.features
    .flatMap(({ kind, name, table }) =>
      kind === 'dense' ? [] : [{ name, rows: rows.get(table), ids: (step.poolingFactors?.[name] ?? 1) * step.batch }],
    )
    .sort((a, b) => b.rows - a.rows || b.ids - a.ids)
    .slice(0, count);
}

export function cacheFigures(step, count) {
  const tables = largestTables(step, count);
  const runs = tables.flatMap(idleRuns);
  const dim = step.model.embeddingDim;
  const rowBytes = WORD * (dim + 1);
  const slotBytes = rowBytes + 12;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const ids = tables.reduce((sum, table) => sum + table.ids, 0);
  const distinct = distinctRows(runs);
  const lines = SHARES.map((share) => {
    const slots = Math.round(share * rows);
    const bytes = WORD * rows + slots * slotBytes;
    if (slots <= distinct) return { share, bytes, tooSmall: true };
    const missing = share === 1 ? 0 : missingRows(runs, stepsThatFit(runs, slots));
    // Rows come while others go: the longer of the two ways.
    return { share, bytes, hits: 1 - missing / distinct, missing, pcieBytes: missing * rowBytes };
  });
  const without = { lookup: ids * WORD * dim, update: distinct * rowBytes };
  return { tables, rows, ids, distinct, rowBytes, without, lines };
}

function print(step, figures) {
  const million = (count) => (count / 1e6).toFixed(2);
  const milliseconds = (bytes) => ((bytes / PCIE) * 1e3).toFixed(1);
  const gigabytes = (bytes) => (bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 1);
  const { rows, ids, distinct, without, lines } = figures;
  console.log(
    `${step.name}, batch ${step.batch}: ${figures.tables.map(({ name }) => name).join(', ')} have ${million(rows)} M rows; ` +
      `a step has ${million(ids)} M of their ids, ${million(distinct)} M distinct.\n` +
      `Without a cache: ${gigabytes(without.lookup + without.update)} GB to the GPU, ${milliseconds(without.lookup + without.update)} ms; ` +
      `${gigabytes(without.update)} GB back.\n`,
  );
  const table = lines.map(({ share, bytes, tooSmall, hits, missing, pcieBytes }) =>
    tooSmall
      ? [`${share * 100} %`, gigabytes(bytes), 'smaller than a step', '', '', '']
      : [
          `${share * 100} %`,
          gigabytes(bytes),
          `${(hits * 100).toFixed(1)} %`,
          million(missing),
          gigabytes(pcieBytes),
          milliseconds(pcieBytes),
        ],
  );
  console.log(markdownTable(['rows with a slot', 'cache, GB', 'hits', 'missing, M', 'GB each way', 'ms'], table));
}

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: 'dcn-multihot' },
    tables: { type: 'string', default: '5' },
    batch: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const reference = referenceStep(values.config);
const step = { ...reference, batch: Number(values.batch ?? 65_536) };
const figures = cacheFigures(step, Number(values.tables));
if (values.json) console.log(JSON.stringify(figures, null, 2));
else print(step, figures);
