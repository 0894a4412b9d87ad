/**
 * `prerank/cascade`: the simulated ads cascade. `loadSimulation` reads a configuration, `simulate` writes logs, `Cascade` serves
 * requests with any stages.
 */
export { TotalValueAuction } from './auction.js';
export { Candidates, type ConversionRates, type RequestBatch } from './candidates.js';
export { Cascade, createStages, type Scored, type Served } from './cascade.js';
export {
  type LoadSimulationOptions,
  loadSimulation,
  type SimulationConfig,
  type SimulationInput,
  simulationYaml,
} from './config.js';
export { earlyValue, ModelEarly, OracleEarly, type OracleSettings, RandomEarly } from './early.js';
export { type ExpectedFeedback, expectedFeedback, SampledFeedback } from './feedback.js';
export { type FinalTasks, ModelFinal, OracleFinal } from './final.js';
export { type LoggedRows, loggedRows, type Selection } from './log-rows.js';
export type { Phase } from './phases.js';
export { PRESET_NAMES, type PresetName } from './presets.js';
export { SampledRetrieval } from './retrieval.js';
export type { ScoringBatch, ScoringCallback } from './scoring.js';
export { type Picked, topRows } from './select.js';
export { type SimulateOptions, type SimulateProgress, type SimulateSummary, simulate } from './simulate.js';
export type {
  Auction,
  AuctionValues,
  Awaitable,
  EarlyScores,
  EarlyStage,
  Feedback,
  FinalScores,
  FinalStage,
  Retrieval,
  Stages,
  UserFeedback,
} from './stages.js';
export type { LogFigures } from './statistics.js';
export { SimulatedSystem } from './system.js';
export { trainingConfig } from './training-config.js';
