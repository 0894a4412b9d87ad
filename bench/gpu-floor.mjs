/**
 * The least time that a reference step can take on a GPU, worked out from its plan and the GPU's published limits. Nothing here is measured.
 *
 * Usage: node bench/gpu-floor.mjs [--config NAME,NAME] [--batch 65536] [--json]
 */
import { parseArgs } from 'node:util';
import { generateColumns } from '../dist/bench/generated-data.js';
import { VIEWS } from '../dist/bench/kernel-cases.js';
import { referenceStep } from '../dist/bench/reference-steps.js';
import { trainingProgram } from '../dist/models/registry.js';
import { isProduct, operationCost, stateFloats } from '../dist/runtime/plan-cost.js';
import { markdownTable } from './markdown.mjs';
import { countIds } from './step-floor.mjs';

const WORD = 4;

/** NVIDIA's data sheet of the H200 SXM, dense; bytes and operations a second. PCIe: what 16 lanes of generation 5 move in practice. */
export const H200 = {
  memory: 4.8e12,
  pcie: 55e9,
  products: { float32: 67e12, tf32: 495e12, bfloat16: 989e12 },
};

/** Phases in the order of a step; the first two run while the step before works. */
const PHASES = [
  'batch copy',
  'sort',
  'lookup',
  'interaction',
  'dense forward',
  'dense backward',
  'loss',
  'other',
  'table update',
  'dense update',
];
const AHEAD = new Set(['batch copy', 'sort']);

function phaseOf({ kind, layer }) {
  if (kind === 'linear') return 'dense forward';
  if (kind === 'linear.dx' || kind === 'linear.dw') return 'dense backward';
  if (kind.startsWith('dotInteraction') || layer.startsWith('interaction.')) return 'interaction';
  if (/^(loss|crossEntropy|pairwiseRank)/.test(kind)) return 'loss';
  return 'other';
}

/** Each id input of a batch: ids, distinct ones, bags, and the table's shape. */
function countLookups(step, plan) {
  const columns = new Map(generateColumns(step, step.batch, 1).map((column) => [column.name, column]));
  const features = new Map(step.features.features.map((feature) => [feature.name, feature]));
  return plan.idInputs.map(({ name, multi, table }) => {
    const { rows, dim } = plan.tables[table];
    return { ...countIds(columns.get(features.get(name).column)), bags: step.batch, multi, rows, dim };
  });
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** What the program copies of a batch: dense inputs, ids, offsets of lists, targets, weights, and a mask of the tasks. */
function copyBytes(plan, lookups, batch) {
  const dense = sum(plan.denseInputs.map(({ width }) => width));
  const ids = sum(lookups.map(({ ids: count, multi }) => count + (multi ? batch + 1 : 0)));
  return WORD * (batch * (dense + plan.tasks.length + 2) + ids);
}

/** Keys and sources of 4 bytes: written once, read for the histograms, then read and written by each pass of 8 bits. */
function sortBytes(lookups) {
  const rows = sum(lookups.map(({ rows: count }) => count));
  const passes = Math.ceil(Math.ceil(Math.log2(rows)) / 8);
  return sum(lookups.map(({ ids }) => WORD * ids * (1 + 2 + 1 + passes * 4)));
}

/** Items of work: bytes that cross the memory at least, operations, and on which units these run. */
function workOf(step, optimizer) {
  const { plan } = trainingProgram(step.model, step.features, step.tasks);
  const { batch } = step;
  const lookups = countLookups(step, plan);
  const item = (phase, bytes, flops, product = false) => ({ phase, bytes, flops, product });
  const operations = plan.segments
    .flatMap(({ ops }) => ops)
    .filter(({ kind }) => kind !== 'embedding' && !VIEWS.has(kind))
    .map((op) => {
      const { flops, bytes } = operationCost(plan, op, batch);
      const batchWords = op.kind === 'loss' ? batch * (plan.tasks.length + 1) : 0;
      return item(phaseOf(op), bytes + WORD * batchWords, flops, isProduct(op.kind));
    });
  const looked = lookups.map(({ ids, distinct, bags, dim }) =>
    item('lookup', WORD * (ids + (distinct + bags) * dim), ids * dim),
  );
  const updated = lookups.map(({ ids, distinct, bags, dim }) =>
    item(
      'table update',
      WORD * (2 * ids + bags * dim + 2 * distinct * (dim + stateFloats(optimizer, dim))),
      2 * ids * dim + 4 * distinct * dim,
    ),
  );
  const dense = sum(plan.parameters.map(({ shape }) => shape.reduce((product, size) => product * size, 1)));
  // Adam reads weight, gradient and two states and writes three; the gradient is set to 0 before.
  const denseUpdate = item('dense update', WORD * 8 * dense, 14 * dense);
  const sort = item('sort', sortBytes(lookups), 0);
  const copy = item('batch copy', copyBytes(plan, lookups, batch), 0);
  return { items: [copy, sort, ...looked, ...operations, ...updated, denseUpdate], lookups, dense };
}

function secondsOf({ phase, bytes, flops, product }, precision) {
  if (phase === 'batch copy') return bytes / H200.pcie;
  return Math.max(bytes / H200.memory, flops / H200.products[product ? precision : 'float32']);
}

/** Bytes, operations and seconds of each phase, and of the step: what runs ahead is hidden where it is shorter. */
export function gpuFloor(step) {
  const { items, lookups, dense } = workOf(step, step.sparse);
  const precisions = Object.keys(H200.products);
  const phases = PHASES.map((phase) => {
    const own = items.filter((item) => item.phase === phase);
    const seconds = precisions.map((precision) => [precision, sum(own.map((item) => secondsOf(item, precision)))]);
    return {
      phase,
      bytes: sum(own.map(({ bytes }) => bytes)),
      flops: sum(own.map(({ flops }) => flops)),
      seconds: Object.fromEntries(seconds),
    };
  });
  const total = (precision, ahead) =>
    sum(phases.filter(({ phase }) => AHEAD.has(phase) === ahead).map(({ seconds }) => seconds[precision]));
  const steps = precisions.map((precision) => {
    const work = total(precision, false);
    const ahead = total(precision, true);
    return [precision, { work, ahead, step: Math.max(work, ahead) }];
  });
  const { name, batch, sparse } = step;
  const ids = sum(lookups.map((lookup) => lookup.ids));
  const distinct = sum(lookups.map((lookup) => lookup.distinct));
  const everyId = WORD * sum(lookups.map((lookup) => (lookup.ids - lookup.distinct) * lookup.dim));
  return { config: name, batch, sparse, ids, distinct, everyId, dense, phases, totals: Object.fromEntries(steps) };
}

const fixed = (value, digits) => value.toFixed(digits);

function phaseTable({ phases, totals }) {
  const precisions = Object.keys(totals);
  const us = (seconds) => fixed(seconds * 1e6, 0);
  const rows = phases.map(({ phase, bytes, flops, seconds }) => [
    AHEAD.has(phase) ? `${phase} (ahead)` : phase,
    fixed(bytes / 1e6, 1),
    fixed(flops / 1e9, 1),
    ...precisions.map((precision) => us(seconds[precision])),
  ]);
  const total = (name, field) => [
    name,
    '',
    '',
    ...precisions.map((precision) => `**${us(totals[precision][field])}**`),
  ];
  return markdownTable(
    ['phase', 'MB', 'GFLOP', ...precisions.map((precision) => `${precision}, µs`)],
    [...rows, total('not ahead', 'work'), total('step', 'step')],
  );
}

function floorText(floor) {
  const { config, batch, sparse, ids, distinct, everyId, dense, totals } = floor;
  const millions = (value) => fixed(value / 1e6, 2);
  const rates = Object.entries(totals).map(([name, { step }]) => `${fixed(batch / step / 1e6, 1)} M/s (${name})`);
  return [
    `### \`${config}\`, batch ${batch}`,
    '',
    `${millions(ids)} M ids, ${millions(distinct)} M distinct; tables: ${sparse}; ${millions(dense)} M dense parameters. ` +
      `Reading a row for each id instead of each distinct one once would move ${fixed(everyId / 1e6, 0)} MB more in the lookup. ` +
      `At most ${rates.join(', ')}.`,
    '',
    phaseTable(floor),
  ].join('\n');
}

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: 'two-tower-d,dlrm-criteo,dlrm-criteo-1tb,dcn-multihot' },
    batch: { type: 'string', default: '65536' },
    json: { type: 'boolean', default: false },
  },
});
const floors = values.config
  .split(',')
  .map((name) => gpuFloor({ ...referenceStep(name), batch: Number(values.batch) }));
process.stdout.write(
  values.json
    ? `${JSON.stringify({ bench: 'gpu-floor', limits: H200, floors }, null, 2)}\n`
    : `${floors.map(floorText).join('\n\n')}\n`,
);
