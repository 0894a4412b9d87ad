/** A reference step small enough for tests. */
import type { ReferenceStep } from '../../src/bench/reference-steps.js';
import { referenceStep } from '../../src/bench/reference-steps.js';

/** two-tower-d with tables of 50 rows, 4 wide. */
export function smallStep(): ReferenceStep {
  const step = referenceStep('two-tower-d');
  return {
    ...step,
    name: 'small',
    batch: 64,
    features: { ...step.features, tables: step.features.tables.map((table) => ({ ...table, rows: 50, dim: 4 })) },
    model: {
      kind: 'two-tower',
      embeddingDim: 4,
      interaction: { kind: 'dot', keepVectors: true },
      tower: { hidden: [8], out: 4, dropout: 0 },
      merge: 'hadamard+dot',
      heads: { hidden: [4], dropout: 0 },
    },
  };
}
