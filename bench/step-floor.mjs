/** The least time a reference step can take on one core at the machine's measured rates. */
import { generateColumns } from '../dist/bench/generated-data.js';
import { trainingProgram } from '../dist/models/registry.js';
import { isDenseProduct, isProduct, operationCost, stateFloats } from '../dist/runtime/plan-cost.js';

const FLOAT_BYTES = 4;

/** Distinct values of a batch's ids of one feature, and how many ids there are. */
export function countIds(column) {
  const ids = column.chunks[0].values;
  return { ids: ids.length, distinct: new Set(ids).size };
}

/**
 * Products at their peak (in float32), interactions at that of multiply-adds, plus what must cross from memory at its
 * sequential rates: each distinct row of the batch read once for the lookup, and read and written with its optimizer
 * state for the update.
 */
export function stepFloor(step, roof) {
  const { plan } = trainingProgram(step.model, step.features, step.tasks);
  const products = plan.segments.flatMap((segment) => segment.ops).filter((op) => isProduct(op.kind));
  const flopsOf = (ops) => ops.reduce((sum, op) => sum + operationCost(plan, op, step.batch).flops, 0);
  const flops = flopsOf(products);
  const dense = flopsOf(products.filter((op) => isDenseProduct(op.kind)));
  const columns = new Map(generateColumns(step, step.batch, 1).map((column) => [column.name, column]));
  const tables = new Map(step.features.tables.map((table) => [table.name, table]));
  let ids = 0;
  let distinct = 0;
  let looked = 0;
  let updated = 0;
  for (const feature of step.features.features) {
    if (feature.kind === 'dense') continue;
    const { dim } = tables.get(feature.table);
    const counted = countIds(columns.get(feature.column));
    ids += counted.ids;
    distinct += counted.distinct;
    looked += counted.distinct * FLOAT_BYTES * dim;
    updated += 2 * counted.distinct * FLOAT_BYTES * (dim + stateFloats(step.sparse, dim));
  }
  const { read, copy } = roof.bandwidth.at(-1);
  const inProducts = dense / roof.products.float32 + (flops - dense) / roof.flops;
  const seconds = { products: inProducts, lookups: looked / read, updates: updated / copy };
  const floor = seconds.products + seconds.lookups + seconds.updates;
  return { config: step.name, batch: step.batch, flops, ids, distinct, looked, updated, seconds, floor };
}
