/** Checks a plan's memory from the plan alone: what the compiler promised and every runtime relies on. */
import { elementCount } from '../base/shape.js';
import type { Plan, PlanOp, PlanSegment, PlanValue } from '../runtime/plan.js';

const VIEW_KINDS: ReadonlySet<string> = new Set(['concat', 'slice', 'stopGradient']);
const IN_PLACE_KINDS: ReadonlySet<string> = new Set(['activation', 'activation.grad']);

/** Problems found, empty when the plan is sound. */
export function verifyPlan(plan: Plan): string[] {
  return [
    ...plan.values.flatMap((value, id) => checkValue(plan, value, id)),
    ...plan.segments.flatMap((segment) => checkSegment(plan, segment)),
    ...checkReadAfterStep(plan),
  ];
}

function planValue(plan: Plan, id: number): PlanValue {
  const value = plan.values[id];
  if (value === undefined) throw new RangeError(`value ${id} of a plan with ${plan.values.length}`);
  return value;
}

function checkValue(plan: Plan, value: PlanValue, id: number): string[] {
  const problems: string[] = [];
  const root = plan.values[value.root];
  if (root === undefined) return [`value ${id} ${value.name}: root ${value.root} does not exist`];
  if (root.root !== value.root) problems.push(`value ${id} ${value.name}: root ${root.name} is a view`);
  if (root.storage !== value.storage) problems.push(`value ${id} ${value.name}: storage differs from its root's`);
  if (value.width !== elementCount(value.shape)) {
    problems.push(`value ${id} ${value.name}: width ${value.width} of shape [${value.shape.join(', ')}]`);
  }
  if (value.column < 0 || value.column + value.width > root.width || value.stride < root.width) {
    problems.push(`value ${id} ${value.name}: columns ${value.column}+${value.width} of ${root.width}`);
  }
  const arena = { tile: plan.tileFloats, none: plan.noneFloats, grad: plan.accumulatorFloats }[value.storage as 'tile'];
  if (arena !== undefined && value.offset + value.stride > arena) {
    problems.push(`value ${id} ${value.name}: ends at ${value.offset + value.stride} of an arena of ${arena}`);
  }
  return problems;
}

interface Life {
  readonly root: number;
  readonly first: number;
  last: number;
}

function checkSegment(plan: Plan, segment: PlanSegment): string[] {
  return [...checkOverlap(plan, segment), ...checkReads(plan, segment)];
}

/** Two tile roots that live at the same time must not share memory, but for an in-place operation's. */
function checkOverlap(plan: Plan, segment: PlanSegment): string[] {
  const lives = new Map<number, Life>();
  segment.ops.forEach((op, position) => {
    if (VIEW_KINDS.has(op.kind)) return;
    for (const id of [...op.inputs, ...op.outputs]) {
      const { root, storage } = planValue(plan, id);
      if (storage !== 'tile') continue;
      const life = lives.get(root);
      if (life === undefined) lives.set(root, { root, first: position, last: position });
      else life.last = position;
    }
  });
  const problems: string[] = [];
  const list = [...lives.values()];
  for (const [index, a] of list.entries()) {
    for (const b of list.slice(index + 1)) {
      const [early, late] = a.first <= b.first ? [a, b] : [b, a];
      if (early.last < late.first || inPlace(plan, segment.ops[late.first], early, late)) continue;
      const x = planValue(plan, a.root);
      const y = planValue(plan, b.root);
      if (x.offset < y.offset + y.stride && y.offset < x.offset + x.stride) {
        problems.push(`${x.name} and ${y.name} live at the same time at ${x.offset} and ${y.offset}`);
      }
    }
  }
  return problems;
}

function inPlace(plan: Plan, op: PlanOp | undefined, early: Life, late: Life): boolean {
  if (op === undefined || !IN_PLACE_KINDS.has(op.kind) || early.last !== late.first) return false;
  const [x, ...others] = op.inputs.map((id) => planValue(plan, id).root);
  const [y] = op.outputs;
  return x === early.root && y === late.root && !others.includes(early.root);
}

/** What an operation reads from a tile must have been written before, in the same segment. */
function checkReads(plan: Plan, segment: PlanSegment): string[] {
  const problems: string[] = [];
  const written = new Map<number, Set<number>>();
  for (const op of segment.ops) {
    if (VIEW_KINDS.has(op.kind)) continue;
    const reads = op.attributes.accumulate === 1 ? [...op.inputs, ...op.outputs] : op.inputs;
    for (const id of reads) {
      const value = planValue(plan, id);
      if (value.domain !== 'none' && value.domain !== segment.domain && value.storage !== 'full') {
        problems.push(`${op.layer}: ${op.kind} reads ${value.name} of another domain, which is not kept`);
      }
      if (value.storage !== 'tile') continue;
      const columns = written.get(value.root);
      for (let column = value.column; column < value.column + value.width; column += 1) {
        if (columns?.has(column)) continue;
        problems.push(`${op.layer}: ${op.kind} reads column ${column} of ${value.name} before it is written`);
        break;
      }
    }
    for (const id of op.outputs) {
      const value = planValue(plan, id);
      const columns = written.get(value.root) ?? new Set<number>();
      for (let column = value.column; column < value.column + value.width; column += 1) columns.add(column);
      written.set(value.root, columns);
    }
  }
  return problems;
}

function checkReadAfterStep(plan: Plan): string[] {
  const readable = new Set(['full', 'none', 'grad']);
  const outputs = plan.outputs.filter(({ value }) => !readable.has(planValue(plan, value).storage));
  const pooled = plan.sparseGradients.filter(({ value }) => planValue(plan, value).storage !== 'full');
  const dense = plan.parameters.filter(({ grad }) => grad >= 0 && planValue(plan, grad).storage !== 'grad');
  const { dense: denseParts = [], pooled: pooledParts = [] } = plan.balancing ?? {};
  const kept = [
    ...denseParts.flatMap(({ values }) => values.map((value) => [value, 'grad'] as const)),
    ...pooledParts.flatMap(({ values }) => values.map((value) => [value, 'full'] as const)),
  ].filter(([value]) => value >= 0);
  const parts = kept.filter(([value, storage]) => planValue(plan, value).storage !== storage);
  return [
    ...parts.map(([value]) => `the part ${planValue(plan, value).name} of a gradient is not kept after the step`),
    ...outputs.map(({ name }) => `output ${name} is not kept after the step`),
    ...pooled.map(({ value }) => `gradient ${planValue(plan, value).name} of a lookup is not kept after the step`),
    ...dense.map(({ name }) => `the gradient of ${name} is not an accumulator`),
  ];
}
