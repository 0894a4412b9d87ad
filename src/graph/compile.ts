/** A graph to a plan: prune, fuse, differentiate, schedule, lay out, plan memory, lower. */
import type { PlanTask } from '../runtime/plan.js';
import { type BalancingRequest, byTask, type TaskGradients, together } from './balance.js';
import { fuseBackward, fuseForward, prune, removeDropout } from './fuse.js';
import { type Graph, graphError, type Operation, type Value } from './graph.js';
import { layOut, readOnlySource } from './layout.js';
import { type Lowered, lower } from './lower.js';
import { planMemory } from './memory.js';
import { copyOp } from './ops/copy.js';
import { embeddingOp } from './ops/embedding.js';
import { lossOp, type TaskLoss } from './ops/loss.js';
import { schedule } from './schedule.js';

export interface CompileRequest {
  readonly graph: Graph;
  /** Values to read after a step or a prediction, by name. */
  readonly outputs: Readonly<Record<string, Value>>;
  /** With losses the plan trains every parameter and table that they depend on; without, it predicts. */
  readonly losses?: readonly TaskLoss[];
  /** dL/d(value) to read after a step, as outputs `gradient.<name of the value>`. */
  readonly wrt?: readonly Value[];
  /** Default: one gradient of the weighted sum of the losses. */
  readonly balancing?: BalancingRequest | undefined;
  /** Rows per tile; default 256. */
  readonly tileRows?: number;
}

export function compile(request: CompileRequest): Lowered {
  const graph = request.graph.fork();
  const losses = request.losses ?? [];
  const wrt = request.wrt ?? [];
  const training = losses.length > 0;
  if (!training && wrt.length > 0) throw graphError('compile', 'gradients without a loss', 'pass losses');
  const results = [...Object.values(request.outputs), ...losses.map((loss) => loss.logits), ...wrt];
  let operations: readonly Operation[] = prune(graph.operations, results);
  let output = (value: Value): Value => value;
  if (!training) {
    const without = removeDropout(operations);
    operations = without.operations;
    output = without.replacement;
  }
  operations = fuseForward(operations, new Set(results.map(output)));

  const outputs = Object.entries(request.outputs).map(([name, value]) => [name, output(value)] as [string, Value]);
  let found: TaskGradients = { gradients: new Map(), dense: [], pooled: [] };
  let tasks: PlanTask[] = [];
  if (training) {
    const backward = addBackward(graph, operations, request, losses);
    found = backward.found;
    tasks = backward.tasks;
    for (const value of wrt) outputs.push([`gradient.${value.name}`, gradientOf(found.gradients, value)]);
    const kept = [...outputs.map(([, value]) => value), ...trained(found), ...backward.seeds];
    operations = fuseBackward(prune(backward.operations, kept), new Set(kept));
  }
  operations = copyReadOnlyOutputs(graph, operations, outputs);
  return finish(request, graph, operations, outputs, found, tasks);
}

interface Backward {
  readonly operations: readonly Operation[];
  readonly found: TaskGradients;
  readonly tasks: PlanTask[];
  readonly seeds: readonly Value[];
}

/** One loss operation for all tasks, and the backward pass, or passes, from it. */
function addBackward(
  source: Graph,
  operations: readonly Operation[],
  { wrt = [], balancing }: Pick<CompileRequest, 'wrt' | 'balancing'>,
  losses: readonly TaskLoss[],
): Backward {
  checkTasks(losses);
  const graph = source;
  graph.operations.length = 0;
  graph.operations.push(...operations);
  const logits = [...new Set(losses.map((loss) => loss.logits))];
  const seeds = graph.emit(lossOp, logits, { layer: 'loss' });
  const targets = new Set([...wrt, ...leaves(operations)]);
  const pairs = logits.flatMap((value, index) => {
    const gradient = seeds[index];
    return gradient === undefined ? [] : [{ value, gradient }];
  });
  const apart = balancing !== undefined && keepsApart(balancing);
  const found = apart
    ? byTask(graph, pairs, [...targets], balancing.kind === 'mgda')
    : together(graph, pairs, [...targets]);
  const tasks = losses.map(({ name, kind, weight, delta, logits: value }) => ({
    name,
    kind,
    weight,
    delta,
    logits: logits.indexOf(value),
  }));
  return { operations: graph.operations, found, tasks, seeds };
}

function keepsApart({ kind, apart }: BalancingRequest): boolean {
  return apart === true || kind === 'pcgrad' || kind === 'mgda';
}

/** Parameters and lookups: what a plan trains. */
function leaves(operations: readonly Operation[]): Value[] {
  return operations.flatMap((operation) => [
    ...operation.inputs.filter((value) => value.source.kind === 'parameter'),
    ...(operation.definition === embeddingOp ? operation.outputs : []),
  ]);
}

/** Gradients that the update reads, or that are combined for it. */
function trained({ gradients, dense, pooled }: TaskGradients): Value[] {
  return [...gradients.values(), ...[...dense, ...pooled].flat().filter((part) => part !== undefined)];
}

function gradientOf(gradients: ReadonlyMap<Value, Value>, value: Value): Value {
  const gradient = gradients.get(value);
  if (gradient === undefined) throw graphError(value.name, 'no loss depends on it', 'leave it out of wrt');
  return gradient;
}

function checkTasks(losses: readonly TaskLoss[]): void {
  if (losses.length > 32) throw graphError('loss', `${losses.length} tasks`, 'a row mask holds at most 32 tasks');
  for (const { name, weight, delta } of losses) {
    if (!(Number.isFinite(weight) && weight >= 0)) {
      throw graphError('loss', `task "${name}" has weight ${weight}`, 'give a finite weight of at least 0');
    }
    if (!(Number.isFinite(delta) && delta > 0)) {
      throw graphError('loss', `task "${name}" has delta ${delta}`, 'give a finite delta above 0');
    }
  }
}

/** Outputs are read from memory that the program owns: those that are inputs or parameters are copied. */
function copyReadOnlyOutputs(
  graph: Graph,
  operations: readonly Operation[],
  outputs: [string, Value][],
): readonly Operation[] {
  const copies: Operation[] = [];
  for (const entry of outputs) {
    const [name, value] = entry;
    if (readOnlySource(value, operations) === undefined) continue;
    const { operation, output } = graph.append(copyOp, [value], { layer: name });
    entry[1] = output;
    copies.push(operation);
  }
  return [...operations, ...copies];
}

function finish(
  request: CompileRequest,
  graph: Graph,
  operations: readonly Operation[],
  outputs: readonly (readonly [string, Value])[],
  found: TaskGradients,
  tasks: readonly PlanTask[],
): Lowered {
  const layout = layOut(graph, operations);
  const segments = schedule(layout.operations);
  const lookups = new Set(
    operations.filter((operation) => operation.definition === embeddingOp).flatMap((operation) => operation.outputs),
  );
  const pooled = [...found.gradients].filter(([value]) => lookups.has(value)).map(([, gradient]) => gradient);
  const parts = found.pooled.flat().filter((part) => part !== undefined);
  const memory = planMemory(segments, layout, [...outputs.map(([, value]) => value), ...pooled, ...parts]);
  const { balancing, tileRows = 256 } = request;
  return lower({ graph, segments, layout, memory, tileRows, tasks, outputs, found, balancing });
}
