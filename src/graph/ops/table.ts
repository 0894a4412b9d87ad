/** Every operation there is. A new one is a file beside this and a line here; the operation test walks the table. */
import type { OpDefinition } from '../definition.js';
import { activation, activationGrad } from './activation.js';
import { addIntoOp } from './add-into.js';
import { affineOp } from './affine.js';
import { concatOp, sliceOp } from './concat.js';
import { constantOp } from './constant.js';
import { copyOp } from './copy.js';
import { crossEntropyOp } from './cross-entropy.js';
import { dotInteractionGrad, dotInteractionOp } from './dot-interaction.js';
import { dropoutGrad, dropoutOp } from './dropout.js';
import { addOp, divOp, mulOp, subOp } from './elementwise.js';
import { embeddingOp } from './embedding.js';
import { expandGrad, expandOp } from './expand.js';
import { groupDotOp, scaleGroupsOp } from './groups.js';
import { hardConcreteGrad, hardConcreteOp } from './hard-concrete.js';
import { linearDw, linearDx, linearOp } from './linear.js';
import { logSumExpOp } from './log-sum-exp.js';
import { lossOp } from './loss.js';
import { pairwiseRankGrad, pairwiseRankOp } from './pairwise-rank.js';
import { rowDotOp } from './row-dot.js';
import { rowSumOp } from './row-sum.js';
import { softmaxGrad, softmaxOp } from './softmax.js';
import { stopGradientOp } from './stop-gradient.js';
import { sumRowsOp } from './sum-rows.js';
import { unary, unaryGrad } from './unary.js';
import { weightedSumGrad, weightedSumOp } from './weighted-sum.js';
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
  logSumExpOp,
  weightedSumOp,
  weightedSumGrad,
  scaleGroupsOp,
  groupDotOp,
  dotInteractionOp,
  dotInteractionGrad,
  rowDotOp,
  rowSumOp,
  sumRowsOp,
  dropoutOp,
  dropoutGrad,
  hardConcreteOp,
  hardConcreteGrad,
  concatOp,
  sliceOp,
  stopGradientOp,
  expandOp,
  expandGrad,
  copyOp,
  zeroOp,
  constantOp,
  addIntoOp,
  lossOp,
  crossEntropyOp,
  pairwiseRankOp,
  pairwiseRankGrad,
];
