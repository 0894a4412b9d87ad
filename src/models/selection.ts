/** Field selection: the model that is trained on the fields kept, and what it takes over from the one that chose them. */
import type { ColdConfig, FscdConfig, ModelConfig } from '../config/models.js';
import type { FeatureMap } from '../data/features.js';
import { isDense, isId } from './features.js';
import { fieldsInOrder, withFields } from './fields.js';

export type SelectingConfig = ColdConfig | FscdConfig;

export interface Selected {
  readonly model: ModelConfig;
  /** Training goes on from the parameters of the search instead of new ones. */
  readonly continues: boolean;
}

/** The model that chooses the fields: of all of them, with weights. */
export function modelOfSearch(config: SelectingConfig): SelectingConfig {
  const { selection: _selection, ...model } = config;
  return model.kind === 'cold' ? { ...model, releaseCompat: false } : model;
}

/**
 * The model on the fields kept: cold is trained anew, without weights of fields, or with `releaseCompat` on all fields with them; fscd
 * goes on without gates.
 */
export function modelOfFields(config: SelectingConfig, fields: readonly string[]): Selected {
  const model = modelOfSearch(config);
  if (config.kind === 'cold' && config.releaseCompat) return { model, continues: false };
  return model.kind === 'cold'
    ? { model: { ...model, fields, gate: 'none' }, continues: false }
    : { model: { ...model, fields, phase: 'tune' }, continues: true };
}

/** A run of columns of a weight that reads one field. */
interface FieldColumns {
  readonly field: string;
  readonly width: number;
}

/** What the columns of the weights that read fields belong to, in their order. */
function columnsOf({ fields, bottom, embeddingDim }: FscdConfig, map: FeatureMap): Record<string, FieldColumns[]> {
  const listed = fieldsInOrder(withFields(map, fields));
  const dense = listed.filter(isDense).map(({ name }): FieldColumns => ({ field: name, width: 1 }));
  const embeddings = listed.filter(isId).map(({ name }): FieldColumns => ({ field: name, width: embeddingDim }));
  if (bottom === undefined || dense.length === 0) return { 'trunk.0.weight': [...dense, ...embeddings] };
  const outputs = { field: 'bottom', width: bottom.at(-1) ?? 0 };
  return { 'bottom.0.weight': dense, 'trunk.0.weight': [outputs, ...embeddings] };
}

/** Columns of the weights of `before` that those of `after`, which reads some of its fields, start with, by parameter. */
export function keptColumns(before: FscdConfig, after: FscdConfig, map: FeatureMap): ReadonlyMap<string, number[]> {
  const kept = columnsOf(after, map);
  return new Map(
    Object.entries(columnsOf(before, map)).map(([parameter, columns]) => {
      const names = new Set(kept[parameter]?.map(({ field }) => field));
      let next = 0;
      const taken = columns.flatMap(({ field, width }) => {
        const first = next;
        next += width;
        return names.has(field) ? Array.from({ length: width }, (_, i) => first + i) : [];
      });
      return [parameter, taken];
    }),
  );
}
