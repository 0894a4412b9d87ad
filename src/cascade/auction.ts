/** The auction: the consolidated quality score and the total value by the final stage's predictions (framework.md §1). */
import { actionRate, totalValues } from '../auction/total-value.js';
import type { Candidates } from './candidates.js';
import type { Auction, AuctionValues, FinalScores } from './stages.js';

/** Total value in the configured form: bid · EAR + f(CQS), or bid · EAR · f(CQS). */
export class TotalValueAuction implements Auction {
  value(candidates: Candidates, scores: FinalScores): AuctionValues {
    const { bid, objective, system, batch, rows } = candidates;
    const cqs = consolidatedQuality(scores, batch.phase.scalars, rows);
    const inputs = { ctr: scores.ctr, cqs, bid, objective, cvr: scores.cvr, vtr: scores.vtr };
    return {
      cqs,
      action: Float32Array.from(bid, (value, row) => value * actionRate(inputs, row)),
      totalValue: new Float32Array(totalValues(system.config.auction, inputs)),
    };
  }
}

/** CQS = Σ scalar · pEvent over the events in force. */
function consolidatedQuality({ events }: FinalScores, scalars: Float64Array, rows: number): Float32Array {
  const sum = new Float64Array(rows);
  for (const [e, values] of events.entries()) {
    const scalar = scalars[e] ?? Number.NaN;
    if (Number.isNaN(scalar)) continue;
    for (let row = 0; row < rows; row += 1) sum[row] = (sum[row] ?? 0) + scalar * (values[row] ?? 0);
  }
  return new Float32Array(sum);
}
