/**
 * ECMM (CIKM 2022, §3.3): an input gate E ⊙ σ(W E), layers of sub-networks whose outputs are routed by hard concrete gates, and a tower for each
 * task: exposure, exposure and click, and no exposure. λ Σ P(z ≠ 0) in the loss closes connections; what is closed for good is left out
 * of the prediction program of a trained model.
 *
 * Parameters: `bottom.<i>`, `projections.<feature>`, `gate.weight`, `subnets.<layer>.<i>`, `routing.<layer>.logits` [outputs · inputs],
 * `routing.<layer>.<output>.<input>.weight` [width, width] of SNR-Trans,
 * `towers.<task>.<i>`, `embeddings.<table>`.
 */
import type { EcmmConfig } from '../config/models.js';
import { everyRow, Graph, linear, mul } from '../graph/index.js';
import { headsOf, withDerived } from './conversion.js';
import { type BuildModel, defineModel, type LossTerm } from './define.js';
import { FeatureInputs } from './features.js';
import { sharedFields } from './fields.js';
import { Routing } from './routing.js';
import { towers } from './towers.js';

const MODE = 'ctr+ctcvr';

const build: BuildModel<EcmmConfig> = (config, features, tasks, userDomain, known) => {
  const { inputGate, subnets, routing: settings } = config;
  const graph = new Graph();
  const inputs = new FeatureInputs(graph, features);
  const fields = sharedFields(inputs, features, userDomain, config);
  const gate = { out: fields.width, bias: false, activation: 'sigmoid' } as const;
  const x = inputGate ? mul(fields, linear(fields, 'gate', gate), 'gated') : fields;
  const heads = headsOf(MODE, tasks);
  const names = heads.map(({ name }) => name);
  const routing = new Routing(graph, settings, [...subnets.counts, heads.length], names, known);
  const mixed = new Map(routing.towers(x, subnets.width).map((value, t) => [names[t], value]));
  const outputs = towers(graph, heads, config.stacks, ({ name }) => mixed.get(name) ?? x);
  const live = settings.l0 === 0 ? undefined : routing.expectedLive();
  const rows = names[0] ?? '';
  const terms: LossTerm[] =
    live === undefined ? [] : [{ name: 'l0', weight: settings.l0, value: everyRow(live, 'l0'), rows }];
  return { graph, inputs, outputs: withDerived(MODE, tasks, outputs), terms, gates: routing.gates };
};

export const ecmm = defineModel<EcmmConfig>('ecmm', build);
