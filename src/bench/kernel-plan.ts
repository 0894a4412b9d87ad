/** Plans of one operation, for timing it alone. */
import type {
  AttributeValue,
  Domain,
  Plan,
  PlanIdInput,
  PlanTable,
  PlanTask,
  PlanValue,
  Storage,
} from '../runtime/plan.js';

/** Rows of a tile, as programs have them. */
export const TILE_ROWS = 256;

const LINE_FLOATS = 16;

export interface Operand {
  readonly width: number;
  /** Default row. */
  readonly domain?: Domain;
  /** Default [width]. */
  readonly shape?: readonly number[];
  /** Default: tile, none for domain none. */
  readonly storage?: Storage;
}

export interface SingleOperation {
  readonly kind: string;
  readonly inputs?: readonly Operand[];
  readonly outputs: readonly Operand[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Default row. */
  readonly segment?: Domain;
  readonly idInputs?: readonly PlanIdInput[];
  readonly tables?: readonly PlanTable[];
  readonly tasks?: readonly PlanTask[];
}

/** Rows of wide values start at a cache line, as the compiler lays them out. */
function strideOf(width: number): number {
  return width <= LINE_FLOATS ? width : Math.ceil(width / LINE_FLOATS) * LINE_FLOATS;
}

/** A value of its own, at the start of its memory. */
export function planValue(operand: Operand, index: number): PlanValue {
  const { width, domain = 'row', shape = [width] } = operand;
  return {
    name: `operand${index}`,
    domain,
    storage: operand.storage ?? (domain === 'none' ? 'none' : 'tile'),
    shape,
    width,
    root: index,
    column: 0,
    stride: domain === 'none' ? width : strideOf(width),
    offset: 0,
    binding: -1,
  };
}

export function planOf(operation: SingleOperation): Plan {
  const {
    kind,
    inputs = [],
    outputs,
    attributes = {},
    segment = 'row',
    idInputs = [],
    tables = [],
    tasks = [],
  } = operation;
  const op = {
    kind,
    layer: 'bench',
    backward: false,
    id: 0,
    inputs: inputs.map((_, i) => i),
    outputs: outputs.map((_, i) => inputs.length + i),
    attributes,
  };
  return {
    tileRows: TILE_ROWS,
    tileFloats: 0,
    noneFloats: 0,
    accumulatorFloats: 0,
    values: [...inputs, ...outputs].map(planValue),
    segments: [{ domain: segment, phase: 'tiles', ops: [op] }],
    denseInputs: [],
    idInputs,
    tables,
    parameters: [],
    sparseGradients: [],
    tasks,
    outputs: [],
  };
}

/** Bytes of all values of a one-operation plan, a tile of each. */
export function valueBytes(plan: Plan): number {
  return plan.values.reduce(
    (sum, { domain, stride, width }) => sum + 4 * (domain === 'none' ? width : TILE_ROWS * stride),
    0,
  );
}
