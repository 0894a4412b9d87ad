/** The settings of the architectures, with every default filled in. */

export interface PairsConfig {
  /** dot: dot products of every pair of vectors; none: the vectors only. */
  readonly kind: 'dot' | 'none';
  /** dot: keep the embeddings beside the products. */
  readonly keepVectors: boolean;
}

/** The cross network of DCN-v2 on all vectors, its matrices products of two narrower ones. */
export interface CrossConfig {
  readonly kind: 'cross';
  readonly layers: number;
  /** Of each layer's matrix. */
  readonly rank: number;
}

export type InteractionConfig = PairsConfig | CrossConfig;

/** Layers of an MLP; those before the last have ReLU. */
export interface LayersConfig {
  readonly hidden: readonly number[];
  readonly dropout: number;
}

interface ModelBase {
  readonly embeddingDim: number;
  /** Widths of an MLP on the dense features, ReLU after each; absent: they go straight on. */
  readonly bottom?: readonly number[];
  /** Names of the features that the model reads; absent: all of them. */
  readonly fields?: readonly string[];
}

export interface TwoTowerConfig extends ModelBase {
  readonly kind: 'two-tower';
  readonly interaction: InteractionConfig;
  /** `out`: width of h_user and h_ad. */
  readonly tower: LayersConfig & { readonly out: number };
  /**
   * What the heads see: [h_u; h_a], [h_u; h_a; h_u ⊙ h_a] or [h_u ⊙ h_a; ⟨h_u, h_a⟩]. dot: no MLP heads; each task
   * maps h_u and h_a linearly and takes the dot product.
   */
  readonly merge: 'concat' | 'dot' | 'hadamard+dot' | 'concat+hadamard';
  readonly heads: LayersConfig;
}

export interface DlrmConfig extends ModelBase {
  readonly kind: 'dlrm';
  readonly interaction: InteractionConfig;
  readonly top: LayersConfig;
}

/**
 * What has a head of its own. product: ctr and cvr, pCTCVR is their product. ctr+ctcvr: both, pCVR is their ratio.
 * separate: ctr and cvr, which learn apart. softmax: the events of the chain are one softmax. What is said of ctr, cvr and ctcvr
 * holds of etr, ctr and etctr where tasks learn the whole chain.
 */
export const TASK_MODES = ['ctr+cvr(product)', 'ctr+ctcvr'] as const;

export type TaskMode = (typeof TASK_MODES)[number] | 'separate' | 'softmax';

interface WithTaskMode {
  readonly taskMode: (typeof TASK_MODES)[number];
  /** Per task, on what the trunk gives it. */
  readonly towers: LayersConfig;
}

export interface MlpConfig extends ModelBase {
  readonly kind: 'mlp';
  readonly net: LayersConfig;
}

export interface SharedBottomConfig extends ModelBase, WithTaskMode {
  readonly kind: 'shared-bottom';
  readonly shared: LayersConfig;
}

export interface MmoeConfig extends ModelBase, WithTaskMode {
  readonly kind: 'mmoe';
  readonly experts: LayersConfig & { readonly count: number };
  /** `shared`: one gate for all tasks (OMoE). */
  readonly gates: { readonly bias: boolean; readonly shared: boolean };
}

export interface PleConfig extends ModelBase, WithTaskMode {
  readonly kind: 'ple';
  readonly levels: readonly (LayersConfig & { readonly shared: number; readonly perTask: number })[];
  readonly gates: { readonly bias: boolean };
}

export interface EsmmConfig extends ModelBase {
  readonly kind: 'esmm';
  readonly net: LayersConfig;
}

export interface AitmConfig extends ModelBase {
  readonly kind: 'aitm';
  readonly bottoms: LayersConfig;
  /** α of the calibrator; 0: none. */
  readonly calibrator: number;
}

export interface TamlConfig extends ModelBase {
  readonly kind: 'taml';
  /** Experts of all tasks, of each task, and of each learner. */
  readonly experts: LayersConfig & { readonly general: number; readonly task: number; readonly learner: number };
  /** Per task. */
  readonly learners: number;
  readonly towers: LayersConfig;
  readonly distillation: {
    /** Weight for ctr and every task but cvr. */
    readonly alpha: number;
    /** Weight for cvr. */
    readonly beta: number;
    /** No gradient passes through what the learners say together. */
    readonly stopGradient: boolean;
    /** Over the learners of a task. */
    readonly reduce: 'sum' | 'mean';
    /** Rows on which the learners of cvr are distilled. */
    readonly cvrRows: 'impressions' | 'clicks';
  };
}

export interface VectorProductConfig extends ModelBase {
  readonly kind: 'vector-product';
  /** Of the user and of the ad, the last layer linear. */
  readonly sides: LayersConfig;
}

/** logit: each task has a linear head; softmax: the events of a chain are classes of one softmax. */
export const HEADS = ['logit', 'softmax'] as const;

export type Head = (typeof HEADS)[number];

export const FIELD_GATES = ['concat', 'own', 'none'] as const;

/** Training searches for fields, and is done again on the `keep` fields that matter most. */
export interface SelectionConfig {
  readonly keep: number;
}

export interface ColdConfig extends ModelBase {
  readonly kind: 'cold';
  /** What the weight of a field is computed from: all fields, or the field alone; none: fields are not weighted. */
  readonly gate: (typeof FIELD_GATES)[number];
  readonly trunk: LayersConfig;
  readonly head: Head;
  readonly selection?: SelectionConfig;
  /** As the code of ECM's authors: a selection is made, and the training after it has all fields and their weights. */
  readonly releaseCompat: boolean;
}

/** ECMM as its authors' code is: γ above 0 keeps every gate at 1. */
export const RELEASED_ECMM = { inputGate: false, counts: [8, 8], gates: false };

export interface EcmmConfig extends ModelBase {
  readonly kind: 'ecmm';
  /** As the code of ECMM's authors: no input gate, two layers of eight sub-networks, all connections open, two towers. */
  readonly releaseCompat: boolean;
  /** Whether x is scaled by σ(W x). */
  readonly inputGate: boolean;
  /** Sub-networks of each layer, and the width of each. */
  readonly subnets: { readonly counts: readonly number[]; readonly width: number };
  readonly routing: {
    /** false: every connection is open, and there is nothing to learn. */
    readonly gates: boolean;
    /** β, γ and ζ of the hard concrete distribution. */
    readonly temperature: number;
    readonly low: number;
    readonly high: number;
    /** λ of the expected number of open connections. */
    readonly l0: number;
    /** A matrix for each connection (SNR-Trans). */
    readonly transform: boolean;
  };
  /** Of each task, on what is routed to it. */
  readonly stacks: LayersConfig;
}

export interface FscdConfig extends ModelBase {
  readonly kind: 'fscd';
  /** search: fields have gates and a cost; tune: neither. */
  readonly phase: 'search' | 'tune';
  /** Of the gates; the lower, the closer to 0 or 1. */
  readonly temperature: number;
  readonly complexity: {
    /** 1 / N of the regulariser. */
    readonly weight: number;
    /** Of a field, by side. */
    readonly operations: { readonly user: number; readonly ad: number; readonly context: number };
    /** Fields that have other operations than their side. */
    readonly fields: readonly { readonly field: string; readonly operations: number }[];
    readonly gamma: { readonly operations: number; readonly width: number; readonly keys: number };
  };
  readonly trunk: LayersConfig;
  readonly head: Head;
  readonly selection?: SelectionConfig;
}

export interface EcmConfig extends ModelBase {
  readonly kind: 'ecm';
  readonly trunk: LayersConfig;
}

export type ModelConfig =
  | TwoTowerConfig
  | DlrmConfig
  | MlpConfig
  | SharedBottomConfig
  | MmoeConfig
  | PleConfig
  | EsmmConfig
  | AitmConfig
  | TamlConfig
  | VectorProductConfig
  | ColdConfig
  | EcmConfig
  | EcmmConfig
  | FscdConfig;

/** How a model's ctr, cvr and ctcvr hang together; undefined: each has a head. */
export function taskModeOf(model: ModelConfig): TaskMode | undefined {
  switch (model.kind) {
    case 'two-tower':
    case 'dlrm':
    case 'vector-product':
      return undefined;
    case 'cold':
    case 'fscd':
      return model.head === 'softmax' ? 'softmax' : undefined;
    case 'ecm':
      return 'softmax';
    case 'mlp':
      return 'separate';
    case 'esmm':
    case 'taml':
      return 'ctr+cvr(product)';
    case 'aitm':
    case 'ecmm':
      return 'ctr+ctcvr';
    default:
      return model.taskMode;
  }
}
