/** Worker thread of the cascade's benchmark: prepares candidates, then scores them when it is told to. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Candidates } from '../cascade/candidates.js';
import { createStages } from '../cascade/cascade.js';
import type { SimulationConfig } from '../cascade/config.js';
import { SimulatedSystem } from '../cascade/system.js';

export const SCORED_STAGES = ['final', 'early'] as const;

export type ScoredStage = (typeof SCORED_STAGES)[number];

export interface CascadeWorkerData {
  readonly config: SimulationConfig;
  /** Requests of the stream whose candidates this thread scores: `from` … `to`, the last excluded. */
  readonly from: number;
  readonly to: number;
}

/** `prepare` forgets what is known of the candidates, true logits too, so that scoring starts anew. */
export type CascadeOrder = { readonly prepare: ScoredStage } | { readonly score: ScoredStage };

/** Answer to either order: pairs of request and ad. */
export interface CascadeAnswer {
  readonly pairs: number;
}

async function serve(port: MessagePort, { config, from, to }: CascadeWorkerData): Promise<void> {
  const system = new SimulatedSystem(config);
  const stages = createStages(system);
  const retrieved: Candidates[] = [];
  for (const batch of system.requests(from, to)) retrieved.push(await stages.retrieval.retrieve(batch));
  const pairs = retrieved.reduce((sum, { rows }) => sum + rows, 0);
  let fresh: readonly Candidates[] = [];
  port.on('message', async (order: CascadeOrder) => {
    if ('prepare' in order) {
      fresh = retrieved.map(({ batch, offsets, ad }) => new Candidates(system, batch, offsets, ad));
    } else {
      for (const candidates of fresh) await stages[order.score].score(candidates);
    }
    port.postMessage({ pairs } satisfies CascadeAnswer);
  });
}

if (parentPort !== null) await serve(parentPort, workerData as CascadeWorkerData);
