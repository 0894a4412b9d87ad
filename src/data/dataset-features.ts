/** The feature map of a dataset folder. */
import { join } from 'node:path';
import { type DatasetDescription, FEATURES_FILE } from './dataset-file.js';
import { readFeatureMap } from './feature-map.js';
import { type FeatureMap, tableRows } from './features.js';

/** The feature map of a dataset, with the values that its rows know: a killed append may have written more. */
export function readFeatures(dir: string, { vocabularies }: DatasetDescription): FeatureMap {
  const map = readFeatureMap(join(dir, FEATURES_FILE));
  const tables = map.tables.map((table) => {
    const known = vocabularies[table.name];
    if (table.mapping.kind === 'hash' || known === undefined || known >= table.mapping.values.length) return table;
    const mapping = { ...table.mapping, values: table.mapping.values.slice(0, known) };
    return { ...table, rows: tableRows(mapping), mapping };
  });
  return { ...map, tables };
}
