/** Plans that time one operation on a GPU: training programs, since their operations are timed by events, that do little besides. */
import type { ParameterSpec } from '../runtime/native.js';
import type {
  Plan,
  PlanIdInput,
  PlanOp,
  PlanParameter,
  PlanSparseGradient,
  PlanTable,
  PlanTask,
  PlanValue,
} from '../runtime/plan.js';
import { type Operand, planValue, type SingleOperation, TILE_ROWS } from './kernel-plan.js';

/** Rows of the tables that fill operands. */
export const FILL_ROWS = 4096;

export interface DeviceWork {
  readonly operation?: SingleOperation;
  /** The first output of `operation`, a lookup, is the gradient of its own id input: its table is updated. */
  readonly sparse?: boolean;
  /** Dense parameters to update. */
  readonly dense?: number;
}

export interface DevicePlan {
  readonly plan: Plan;
  readonly parameters: readonly ParameterSpec[];
  /** Number of the timed operation in the plan; undefined when the program's own update is timed. */
  readonly timed?: number;
  /** Id inputs after the operation's own, one id a row below FILL_ROWS each. */
  readonly fills: number;
}

const CLICK: PlanTask = { name: 'click', kind: 'bce', weight: 1, delta: 1, logits: 0 };

/**
 * Row operands are looked up in tables of random numbers, so that the work has numbers to compute with and a batch is small; operands without rows
 * are parameters. Before and after the operation `flushWidth` floats a row are overwritten, which leaves nothing of what came before in the L2 cache.
 */
export function devicePlanOf({ operation, sparse = false, dense }: DeviceWork, flushWidth: number): DevicePlan {
  const values: PlanValue[] = [];
  const ops: PlanOp[] = [];
  const parameters: PlanParameter[] = [];
  const specs: ParameterSpec[] = [];
  const tables: PlanTable[] = [...(operation?.tables ?? [])];
  const idInputs: PlanIdInput[] = [...(operation?.idInputs ?? [])];
  const own = idInputs.length;
  let tileFloats = 0;
  let accumulatorFloats = 0;
  for (const { name, rows, dim } of tables) {
    specs.push({ name, shape: [rows, dim], init: { kind: 'zero' }, table: true });
  }

  const add = (operand: Operand, place: Pick<PlanValue, 'storage' | 'offset' | 'binding'>): number => {
    values.push({ ...planValue(operand, values.length), ...place });
    return values.length - 1;
  };
  const addRows = (operand: Operand): number => {
    if (operand.storage === 'full') return add(operand, { storage: 'full', offset: 0, binding: -1 });
    const index = add(operand, { storage: 'tile', offset: tileFloats, binding: -1 });
    tileFloats += values[index]?.stride ?? 0;
    return index;
  };
  const addGradient = (operand: Operand): number => {
    const index = add(operand, { storage: 'grad', offset: accumulatorFloats, binding: 0 });
    accumulatorFloats += operand.width;
    return index;
  };
  const addParameter = (operand: Operand): number => {
    const { shape = [operand.width] } = operand;
    const name = `operand${values.length}`;
    parameters.push({ name, shape, grad: -1 });
    specs.push({ name, shape, init: { kind: 'uniform', scale: 0.1 }, table: false });
    return add(operand, { storage: 'param', offset: 0, binding: parameters.length - 1 });
  };
  const addOp = (op: Pick<PlanOp, 'kind' | 'inputs' | 'outputs'> & Partial<PlanOp>): void => {
    ops.push({ layer: 'bench', backward: false, id: 0, attributes: {}, ...op });
  };
  /** The id input whose table has rows of this width. */
  const fillInput = (width: number): number => {
    const name = `fill${width}`;
    const known = idInputs.findIndex((input) => input.name === name);
    if (known >= 0) return known;
    tables.push({ name, rows: FILL_ROWS, dim: width });
    specs.push({ name, shape: [FILL_ROWS, width], init: { kind: 'uniform', scale: 1 }, table: true });
    idInputs.push({ name, domain: 'row', multi: false, weighted: false, table: tables.length - 1 });
    return idInputs.length - 1;
  };

  const noRows = (operand: Operand): boolean => operand.domain === 'none';
  const inputs = (operation?.inputs ?? []).map((operand) =>
    noRows(operand) ? addParameter(operand) : addRows(operand),
  );
  const outputs = (operation?.outputs ?? []).map((operand) =>
    noRows(operand) ? addGradient(operand) : addRows(operand),
  );
  const isLoss = operation?.kind === 'loss';
  const logits = isLoss ? [] : [addRows({ width: 1 })];
  const filled = [...inputs.filter((index) => values[index]?.domain === 'row'), ...logits];
  addOp({
    kind: 'embedding',
    inputs: [],
    outputs: filled,
    attributes: {
      idInputs: filled.map((index) => fillInput(values[index]?.width ?? 1)),
      pooling: filled.map(() => 0),
    },
  });
  const scratch = addRows({ width: flushWidth, storage: 'full' });
  const flush = (): void => addOp({ kind: 'zero', inputs: [], outputs: [scratch] });
  flush();
  const timed = operation === undefined || sparse ? undefined : ops.length;
  if (operation !== undefined) {
    addOp({ kind: operation.kind, inputs, outputs, attributes: operation.attributes ?? {} });
    flush();
  }
  if (!isLoss) addOp({ kind: 'loss', inputs: logits, outputs: [addRows({ width: 1 })] });
  if (dense !== undefined) {
    const grad = addGradient({ width: dense, domain: 'none' });
    parameters.push({ name: 'dense', shape: [dense], grad });
    specs.push({ name: 'dense', shape: [dense], init: { kind: 'uniform', scale: 0.1 }, table: false });
  }
  const [pooled] = outputs;
  const sparseGradients: PlanSparseGradient[] =
    sparse && pooled !== undefined ? [{ idInput: 0, value: pooled, pooling: 'sum' }] : [];
  return {
    plan: {
      tileRows: TILE_ROWS,
      tileFloats,
      noneFloats: 0,
      accumulatorFloats,
      values,
      segments: [{ domain: 'row', phase: 'tiles', ops }],
      denseInputs: [],
      idInputs,
      tables,
      parameters,
      sparseGradients,
      tasks: isLoss ? (operation?.tasks ?? []) : [CLICK],
      outputs: [],
    },
    parameters: specs,
    timed,
    fills: idInputs.length - own,
  };
}
