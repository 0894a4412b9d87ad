/** The functional API that models are written in, and the compiler to plans. */
export { gradients, type Seed } from './autodiff.js';
export type { BalancingRequest } from './balance.js';
export { type CompileRequest, compile } from './compile.js';
export type { GradientContext, GradientRule, OpDefinition, OutputSpec } from './definition.js';
export { Graph, type Operation, type Value } from './graph.js';
export {
  type CrossNetworkOptions,
  crossNetwork,
  input,
  type LinearOptions,
  linear,
  type MlpOptions,
  mlp,
  parameter,
} from './layers.js';
export { LOG_VARIANCES, type Lowered } from './lower.js';
export { type Activation, activate, relu, sigmoid, tanh } from './ops/activation.js';
export { affine } from './ops/affine.js';
export { concat, slice } from './ops/concat.js';
export { constant } from './ops/constant.js';
export { crossEntropy } from './ops/cross-entropy.js';
export { dotInteraction } from './ops/dot-interaction.js';
export { dropout } from './ops/dropout.js';
export { add, div, mul, sub } from './ops/elementwise.js';
export { type EmbeddingOptions, embedding } from './ops/embedding.js';
export { everyRow, zeroRows } from './ops/every-row.js';
export { expand } from './ops/expand.js';
export { groupDot, scaleGroups } from './ops/groups.js';
export { type HardConcreteOptions, hardConcrete } from './ops/hard-concrete.js';
export { linearWith } from './ops/linear.js';
export { logSumExp } from './ops/log-sum-exp.js';
export type { TaskLoss } from './ops/loss.js';
export { type PairwiseOptions, pairwiseRank } from './ops/pairwise-rank.js';
export { rowDot } from './ops/row-dot.js';
export { rowSum } from './ops/row-sum.js';
export { softmax } from './ops/softmax.js';
export { stopGradient } from './ops/stop-gradient.js';
export { OPERATIONS } from './ops/table.js';
export { abs, exp, log, neg, softplus, sqrt, square, type UnaryFunction } from './ops/unary.js';
export { weightedSum } from './ops/weighted-sum.js';
export { verifyPlan } from './verify.js';
