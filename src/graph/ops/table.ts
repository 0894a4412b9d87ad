/** Every operation there is. A new one is a file beside this and a line here; the operation test walks the table. */
import type { OpDefinition } from '../definition.js';
import { activation, activationGrad } from './activation.js';
import { addIntoOp } from './addInto.js';
import { affineOp } from './affine.js';
import { concatOp, sliceOp } from './concat.js';
import { copyOp } from './copy.js';
import { dotInteractionGrad, dotInteractionOp } from './dotInteraction.js';
import { dropoutGrad, dropoutOp } from './dropout.js';
import { addOp, divOp, mulOp, subOp } from './elementwise.js';
import { embeddingOp } from './embedding.js';
import { expandGrad, expandOp } from './expand.js';
import { linearDw, linearDx, linearOp } from './linear.js';
import { lossOp } from './loss.js';
import { rowDotOp } from './rowDot.js';
import { rowSumOp } from './rowSum.js';
import { softmaxGrad, softmaxOp } from './softmax.js';
import { stopGradientOp } from './stopGradient.js';
import { sumRowsOp } from './sumRows.js';
import { unary, unaryGrad } from './unary.js';
import { weightedSumGrad, weightedSumOp } from './weightedSum.js';
import { zeroOp } from './zero.js';

export const OPERATIONS: readonly OpDefinition[] = [
  embeddingOp,
  linearOp,
  linearDx,
  linearDw,
  activation,
  activationGrad,
  addOp,
  subOp,
  mulOp,
  divOp,
  affineOp,
  unary,
  unaryGrad,
  softmaxOp,
  softmaxGrad,
  weightedSumOp,
  weightedSumGrad,
  dotInteractionOp,
  dotInteractionGrad,
  rowDotOp,
  rowSumOp,
  sumRowsOp,
  dropoutOp,
  dropoutGrad,
  concatOp,
  sliceOp,
  stopGradientOp,
  expandOp,
  expandGrad,
  copyOp,
  zeroOp,
  addIntoOp,
  lossOp,
];
