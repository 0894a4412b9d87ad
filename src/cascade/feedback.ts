/** What users do with the ads they are shown: draws at the true probabilities. */
import { OBJECTIVES } from '../data/plan-columns.js';
import type { Candidates } from './candidates.js';
import { PURPOSE, sigmoid, unit } from './random.js';
import type { Feedback, UserFeedback } from './stages.js';

const POST_IMPRESSION = OBJECTIVES.indexOf('postImpression');

/** Words of a row: click, conversion, accidental click, then one per event from the next block on. */
const EVENT_BLOCK = 1;

/** The true probabilities of what `Feedback` draws. */
export interface ExpectedFeedback {
  readonly click: Float64Array;
  /** Of objective postImpression after the impression, of the others after a click of interest: P(click) · P(conversion | click). */
  readonly conversion: Float64Array;
  /** NaN while an event is not in force. */
  readonly events: readonly Float64Array[];
}

export function expectedFeedback(shown: Candidates): ExpectedFeedback {
  const { truth, objective, batch, rows, system } = shown;
  const { accidental } = system.config.world.click;
  const click = probabilities(truth.click);
  const conversion = probabilities(truth.conversion);
  const viewThrough = probabilities(truth.viewThrough);
  for (let row = 0; row < rows; row += 1) {
    conversion[row] =
      objective[row] === POST_IMPRESSION ? (viewThrough[row] ?? 0) : (click[row] ?? 0) * (conversion[row] ?? 0);
    click[row] = (click[row] ?? 0) + accidental * (1 - (click[row] ?? 0));
  }
  const inForce = (e: number): boolean => !Number.isNaN(batch.phase.scalars[e] ?? Number.NaN);
  const none = new Float64Array(rows).fill(Number.NaN);
  return { click, conversion, events: truth.events.map((logits, e) => (inForce(e) ? probabilities(logits) : none)) };
}

function probabilities(logits: Float64Array): Float64Array {
  const column = new Float64Array(logits.length);
  for (let row = 0; row < column.length; row += 1) column[row] = sigmoid(logits[row] ?? 0);
  return column;
}

export class SampledFeedback implements UserFeedback {
  observe(shown: Candidates): Feedback {
    const { rows, objective, request, ad, truth } = shown;
    const { draws, config } = shown.system.world;
    const { accidental } = config.world.click;
    const expected = expectedFeedback(shown);
    const click = new Uint8Array(rows);
    const conversion = new Uint8Array(rows);
    const events = truth.events.map(() => new Uint8Array(rows));
    for (let row = 0; row < rows; row += 1) {
      const words = draws.words(PURPOSE.feedback, request[row] ?? 0, ad[row] ?? 0, 0);
      const interested = happens(words[0], sigmoid(truth.click[row] ?? 0));
      conversion[row] =
        objective[row] === POST_IMPRESSION
          ? happens(words[1], expected.conversion[row])
          : interested * happens(words[1], sigmoid(truth.conversion[row] ?? 0));
      click[row] = interested | happens(words[2], accidental);
      for (const [e, column] of events.entries()) {
        const block = EVENT_BLOCK + Math.floor(e / 4);
        const word = draws.words(PURPOSE.feedback, request[row] ?? 0, ad[row] ?? 0, block)[e % 4];
        column[row] = happens(word, expected.events[e]?.[row]);
      }
    }
    return { click, conversion, events };
  }
}

function happens(word: number | undefined, probability: number | undefined): 0 | 1 {
  return unit(word ?? 0) < (probability ?? 0) ? 1 : 0;
}
