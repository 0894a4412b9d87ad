/** Turns the features of an encoded dataset into inputs and lookups of a graph, and remembers what feeds them. */
import { PrerankError } from '../base/errors.js';
import type { DenseFeature, Feature, FeatureMap, IdFeature, Table } from '../data/features.js';
import { embedding, type Graph, type Lowered, linear, type Value } from '../graph/index.js';
import type { LoaderSpec } from '../runtime/native.js';
import type { Plan } from '../runtime/plan.js';
import type { ModelProgram } from './model.js';

export type InputDomain = 'row' | 'request';

export function isDense(feature: Feature): feature is DenseFeature {
  return feature.kind === 'dense';
}

export function isId(feature: Feature): feature is IdFeature {
  return feature.kind !== 'dense';
}

type DenseSource = LoaderSpec['dense'][number];
type IdSource = Omit<LoaderSpec['ids'][number], 'table'>;

/** The inputs of one model under construction. */
export class FeatureInputs {
  private readonly dense = new Map<string, DenseSource>();
  private readonly ids = new Map<string, IdSource>();

  constructor(
    private readonly graph: Graph,
    private readonly map: FeatureMap,
  ) {}

  /** One dense input [features] with a column per feature, or undefined without features. */
  denseInput(name: string, features: readonly DenseFeature[], domain: InputDomain): Value | undefined {
    if (features.length === 0) return undefined;
    this.dense.set(name, { domain, columns: features.map((feature) => feature.column) });
    return this.graph.input(name, domain, features.length);
  }

  /** A dense row input that no column feeds: whoever runs the program gives its rows. */
  given(name: string, width: number): Value {
    this.dense.set(name, { domain: 'row', columns: [] });
    return this.graph.input(name, 'row', width);
  }

  /**
   * The pooled embedding [embeddingDim] of a feature. A table of another dimension is followed by a learned bias-free
   * projection `projections.<feature>.weight` [embeddingDim, dim]. `owner`: the table is `embeddings.<owner>.<table>`, which
   * other owners do not share.
   */
  pooled(feature: IdFeature, domain: InputDomain, embeddingDim: number, owner?: string): Value {
    const table = this.tableOf(feature);
    const multi = feature.kind === 'multi';
    const weights = feature.weightsColumn;
    const { column, pooling } = feature;
    const named = (name: string): string => (owner === undefined ? name : `${owner}.${name}`);
    const input = named(feature.name);
    this.ids.set(input, { domain, column, weights, multi, pooling, tableRows: table.rows });
    const pooled = embedding(this.graph, input, {
      table: { ...table, name: named(table.name) },
      domain,
      multi,
      pooling,
      weighted: weights !== undefined,
    });
    if (table.dim === embeddingDim) return pooled;
    return this.graph.scope('projections', () => linear(pooled, feature.name, { out: embeddingDim, bias: false }));
  }

  /** A compiled graph with the loader inputs that feed it, and the task of each of its losses. */
  program({ plan, parameters }: Lowered, sources: readonly string[]): ModelProgram {
    return { plan, parameters, dense: this.denseOf(plan), ids: this.idsOf(plan), sources };
  }

  private denseOf(plan: Plan): LoaderSpec['dense'] {
    return plan.denseInputs.map(({ name }) => known(this.dense, name));
  }

  private idsOf(plan: Plan): LoaderSpec['ids'] {
    return plan.idInputs.map(({ name, table }) => ({ ...known(this.ids, name), table }));
  }

  private tableOf(feature: IdFeature): Table {
    const table = this.map.tables.find((candidate) => candidate.name === feature.table);
    if (table === undefined) {
      throw new PrerankError(
        'CONFIG_INVALID',
        `feature "${feature.name}" uses table "${feature.table}", which the feature map lacks; encode the data again`,
        { path: `features.${feature.name}` },
      );
    }
    return table;
  }
}

function known<T>(sources: ReadonlyMap<string, T>, name: string): T {
  const source = sources.get(name);
  if (source === undefined) throw new PrerankError('INTERNAL', `input "${name}" of the plan has no source`);
  return source;
}
