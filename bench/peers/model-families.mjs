/** What models.mjs trains, by family: features, generated rows and configuration. */
import { generateColumns } from '../../dist/bench/generated-data.js';
import { SERVED_MODELS, servedFeatures } from '../../dist/bench/served-models.js';
import { loadConfig } from '../../dist/config/load.js';
import { DERIVED_LABELS, ROLE_COLUMNS } from '../../dist/data/features.js';

const VOCABULARIES = [238635, 98, 14, 3, 8, 4, 4, 3, 5, 467298, 6929, 263942, 106399, 5888, 104830, 51878, 37148, 4];

const floats = (name, values) => ({ name, type: 'float32', chunks: [{ values, rows: values.length }] });

/** Columns of ids, and numbers in [0, 1) to draw labels from. */
function drawn(features, rows, seed) {
  const columns = generateColumns({ features, listLength: { min: 1, max: 1 } }, rows, seed);
  return {
    ids: columns.filter(({ name }) => name.startsWith('feature.')),
    uniform: columns.find(({ name }) => name === ROLE_COLUMNS.finalCtr.column).chunks[0].values,
  };
}

/** The multi-task models on the 18 ids of Ali-CCP (AITM's preprocessing), dimension 5. */
const CONVERSIONS = {
  name: 'clicks and conversions',
  models: ['mlp', 'shared-bottom', 'mmoe', 'ple', 'esmm', 'aitm', 'taml'],
  batch: 2000,
  labels: { click: ROLE_COLUMNS.click.column, ctcvr: DERIVED_LABELS.ctcvr },

  features() {
    const names = VOCABULARIES.map((_, i) => `c${i}`);
    const feature = (name) => ({
      name,
      side: 'ad',
      source: name,
      column: `feature.${name}`,
      kind: 'categorical',
      table: name,
      pooling: 'sum',
    });
    const table = (name, i) => ({
      name,
      rows: VOCABULARIES[i],
      dim: 5,
      mapping: { kind: 'hash', valueType: 'int', buckets: VOCABULARIES[i] },
    });
    return { version: 1, features: names.map(feature), tables: names.map(table), cqs: null };
  },

  /** Clicks are as rare as on Ali-CCP; conversions of clicks are not, since a batch should have some. */
  columns(features, rows, seed) {
    const { ids, uniform } = drawn(features, rows, seed);
    const clicked = Float32Array.from(uniform, (u) => Number(u < 0.04));
    const converted = Float32Array.from(uniform, (u) => Number(u < 0.04 * 0.05));
    return [
      ...ids,
      floats(ROLE_COLUMNS.click.column, clicked),
      floats(
        DERIVED_LABELS.cvr,
        converted.map((y, i) => (clicked[i] === 1 ? y : Number.NaN)),
      ),
      floats(DERIVED_LABELS.ctcvr, converted),
    ];
  },

  config(kind, features) {
    return loadConfig({
      data: {
        train: 'generated',
        columns: { click: 'click', conversion: 'conversion' },
        features: { ad: features.features.map(({ name }) => ({ name, kind: 'categorical' })) },
      },
      model: { kind, embeddingDim: 5 },
    });
  },
};

/** A kind of the pre-ranking models with the layers and fields it is served with; fscd searches among all fields. */
function preranking(kind) {
  const { model, tasks } = SERVED_MODELS.find((served) => served.model.kind === kind);
  return { tasks, model: kind === 'fscd' ? { kind, embeddingDim: model.embeddingDim } : model };
}

/** The pre-ranking models on 22 ids of dimension 8, as `bench serve --models` has them, and a sampled whole chain. */
const CHAIN = {
  name: 'the whole chain',
  models: ['vector-product', 'cold', 'fscd', 'ecm', 'ecmm'],
  batch: 4096,
  labels: { etctr: DERIVED_LABELS.etctr, etr: DERIVED_LABELS.etr },

  features: servedFeatures,

  /** After sampling, 2.6 % of the paper's rows are clicked and 49.2 % exposed. */
  columns(features, rows, seed) {
    const { ids, uniform } = drawn(features, rows, seed);
    const exposed = Float32Array.from(uniform, (u) => Number(u < 0.492));
    const clicked = Float32Array.from(uniform, (u) => Number(u < 0.026));
    return [
      ...ids,
      floats(ROLE_COLUMNS.click.column, clicked),
      { name: ROLE_COLUMNS.impression.column, type: 'uint8', chunks: [{ values: Uint8Array.from(exposed), rows }] },
      floats(DERIVED_LABELS.etr, exposed),
      floats(DERIVED_LABELS.etctr, clicked),
      floats(
        DERIVED_LABELS.itr,
        exposed.map((y) => 1 - y),
      ),
    ];
  },

  config(kind, features) {
    const named = (side) =>
      features.features.flatMap(({ name, side: own }) => (own === side ? [{ name, kind: 'categorical' }] : []));
    return loadConfig({
      data: {
        train: 'generated',
        columns: { impression: 'impression', click: 'click' },
        features: { user: named('user'), ad: named('ad'), context: named('context') },
      },
      ...preranking(kind),
    });
  },
};

export const FAMILIES = [CONVERSIONS, CHAIN];
