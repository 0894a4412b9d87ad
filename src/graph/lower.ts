/** Writes a scheduled, laid-out graph down as a plan: numbered values and operations. */
import type { ParameterSpec } from '../runtime/native.js';
import type {
  Plan,
  PlanBalancing,
  PlanOp,
  PlanParameter,
  PlanParts,
  PlanTask,
  PlanValue,
  Pooling,
} from '../runtime/plan.js';
import type { BalancingRequest, Parts, TaskGradients } from './balance.js';
import type { Graph, Operation, Value } from './graph.js';
import type { Layout } from './layout.js';
import type { MemoryPlan } from './memory.js';
import { embeddingOp } from './ops/embedding.js';
import type { Segment } from './schedule.js';

/** The log-variances of uncertainty weighting: state of the training that no prediction reads. */
export const LOG_VARIANCES = 'balancing.log_variances';

export interface LowerRequest {
  readonly graph: Graph;
  readonly segments: readonly Segment[];
  readonly layout: Layout;
  readonly memory: MemoryPlan;
  readonly tileRows: number;
  readonly tasks: readonly PlanTask[];
  readonly outputs: readonly (readonly [string, Value])[];
  /** dL/d(value) of parameters and lookups. */
  readonly found: TaskGradients;
  readonly balancing: BalancingRequest | undefined;
}

export interface Lowered {
  readonly plan: Plan;
  readonly parameters: readonly ParameterSpec[];
}

export function lower(request: LowerRequest): Lowered {
  const { graph, layout, memory, balancing } = request;
  const { gradients } = request.found;
  const operations = request.segments.flatMap((segment) => segment.operations);
  const values = usedValues(operations, request);
  const number = new Map(values.map((value, index) => [value, index]));
  const idOf = (value: Value): number => number.get(value) ?? -1;

  const inputs = values.filter((value) => value.source.kind === 'input');
  const parameters = values.filter((value) => value.source.kind === 'parameter');
  const lookups = operations.filter((operation) => operation.definition === embeddingOp);
  const idInputs = [...new Set(lookups.flatMap(idInputsOf))].sort((a, b) => a - b);
  const used = idInputs.map((index) => at(graph.idInputs, index));
  const tables = [...new Set(used.map((input) => input.table))].sort((a, b) => a - b);

  const planValue = (value: Value): PlanValue => {
    const { root, column } = layout.place(value);
    const slot = memory.slot(root);
    return {
      name: value.name,
      domain: value.domain,
      storage: slot.storage,
      shape: value.shape,
      width: value.width,
      root: idOf(root),
      column,
      stride: slot.stride,
      offset: slot.offset,
      binding: bindingOf(root),
    };
  };
  const bindingOf = (root: Value): number => {
    if (root.source.kind === 'input') return inputs.indexOf(root);
    if (root.source.kind === 'parameter') return parameters.indexOf(root);
    return root.source.kind === 'accumulator' ? idOf(root.source.of) : -1;
  };
  const planOp = (operation: Operation): PlanOp => ({
    kind: operation.definition.kind,
    layer: operation.layer,
    backward: operation.backward,
    id: operation.id,
    inputs: operation.inputs.map(idOf),
    outputs: operation.outputs.map(idOf),
    attributes: attributesOf(operation, idInputs),
  });
  const gradientOf = (value: Value): number => {
    const gradient = gradients.get(value);
    return gradient === undefined ? -1 : idOf(gradient);
  };

  const planParameters: PlanParameter[] = parameters.map((value) => ({
    name: value.name,
    shape: value.shape,
    grad: gradientOf(value),
  }));
  const sparseGradients = lookups.flatMap((operation) =>
    operation.outputs.flatMap((output, index) => {
      const value = gradientOf(output);
      if (value < 0) return [];
      const pooling: Pooling = listOf(operation, 'pooling')[index] === 1 ? 'mean' : 'sum';
      return [{ idInput: idInputs.indexOf(at(idInputsOf(operation), index)), value, pooling }];
    }),
  );
  const uncertain = balancing?.kind === 'uncertainty';
  if (uncertain) planParameters.push({ name: LOG_VARIANCES, shape: [request.tasks.length], grad: -1 });
  const partsOf = (parts: Parts): PlanParts => ({
    values: parts.map((part) => (part === undefined ? -1 : idOf(part))),
  });
  const planBalancing = ({ kind, normalisation = 'none' }: BalancingRequest): PlanBalancing => ({
    kind,
    normalisation,
    dense: request.found.dense.map(partsOf),
    pooled: request.found.pooled.map(partsOf),
    logVariances: uncertain ? planParameters.length - 1 : -1,
  });
  const planTables = tables.map((index) => at(graph.tables, index));
  const plan: Plan = {
    tileRows: request.tileRows,
    tileFloats: memory.tileFloats,
    noneFloats: memory.noneFloats,
    accumulatorFloats: memory.accumulatorFloats,
    values: values.map(planValue),
    segments: request.segments.map(({ domain, phase, operations: listed }) => ({
      domain,
      phase,
      ops: listed.map(planOp),
    })),
    denseInputs: inputs.map(({ name, domain, width }) => ({ name, domain, width })),
    idInputs: used.map((input) => ({ ...input, table: tables.indexOf(input.table) })),
    tables: planTables,
    parameters: planParameters,
    sparseGradients,
    tasks: request.tasks,
    ...(balancing === undefined ? {} : { balancing: planBalancing(balancing) }),
    outputs: request.outputs.map(([name, value]) => ({ name, value: idOf(value) })),
  };
  const dense = parameters.map(denseSpec);
  if (uncertain) dense.push(logVariances(request.tasks.length));
  return { plan, parameters: [...dense, ...planTables.map(tableSpec)] };
}

function logVariances(tasks: number): ParameterSpec {
  return { name: LOG_VARIANCES, shape: [tasks], init: { kind: 'zero' }, table: false };
}

/** Values of the operations and outputs, their roots, and what accumulators are gradients of. */
function usedValues(operations: readonly Operation[], request: LowerRequest): Value[] {
  const used = new Set<Value>();
  const use = (value: Value): void => {
    used.add(value);
    used.add(request.layout.place(value).root);
    if (value.source.kind === 'accumulator') used.add(value.source.of);
  };
  for (const operation of operations) {
    for (const value of [...operation.inputs, ...operation.outputs]) use(value);
  }
  for (const [, value] of request.outputs) use(value);
  return [...used].sort((a, b) => a.id - b.id);
}

function attributesOf(operation: Operation, idInputs: readonly number[]): PlanOp['attributes'] {
  const hidden = new Set(operation.definition.compileOnly);
  const attributes = Object.fromEntries(Object.entries(operation.attributes).filter(([key]) => !hidden.has(key)));
  if (operation.definition !== embeddingOp) return attributes;
  return { ...attributes, idInputs: idInputsOf(operation).map((index) => idInputs.indexOf(index)) };
}

function idInputsOf(operation: Operation): readonly number[] {
  return listOf(operation, 'idInputs');
}

function listOf(operation: Operation, key: string): readonly number[] {
  const list = operation.attributes[key];
  return Array.isArray(list) ? list : [];
}

/** torch.nn layout; see layers.ts for how parameters start. */
function denseSpec(value: Value): ParameterSpec {
  const init = value.source.kind === 'parameter' ? value.source.init : ({ kind: 'zero' } as const);
  return { name: value.name, shape: value.shape, init, table: false };
}

/** Rows start as U(−1/√rows, 1/√rows), as in DLRM. */
function tableSpec(table: { name: string; rows: number; dim: number }): ParameterSpec {
  const init = { kind: 'uniform', scale: 1 / Math.sqrt(table.rows) } as const;
  return { name: table.name, shape: [table.rows, table.dim], init, table: true };
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`index ${index} of ${list.length}`);
  return item;
}
