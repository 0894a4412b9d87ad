/** Where every root's memory is: liveness within a segment decides which roots share a slot of the tile arena. */
import type { Storage } from '../runtime/plan.js';
import type { Value } from './graph.js';
import type { Layout } from './layout.js';
import { isAccumulator, type Segment } from './schedule.js';

/** Floats: the padding of wide rows and of the none and accumulator arenas, one cache line. */
const LINE = 16;

export interface Slot {
  readonly storage: Storage;
  readonly stride: number;
  readonly offset: number;
}

export interface MemoryPlan {
  slot(root: Value): Slot;
  readonly tileFloats: number;
  readonly noneFloats: number;
  readonly accumulatorFloats: number;
}

/** Positions of the first write and the last use in a segment. */
interface Interval {
  readonly root: Value;
  readonly first: number;
  last: number;
}

/** `kept`: values that are read after the step. */
export function planMemory(segments: readonly Segment[], layout: Layout, kept: Iterable<Value>): MemoryPlan {
  const full = rootsOfWholeBatch(segments, layout, kept);
  const slots = new Map<Value, Slot>();
  let tileFloats = 0;
  let noneFloats = 0;
  let accumulatorFloats = 0;
  for (const segment of segments) {
    const intervals = liveness(segment, layout);
    const tiles: Interval[] = [];
    for (const interval of intervals) {
      const { root } = interval;
      if (slots.has(root)) continue;
      if (root.source.kind === 'input' || root.source.kind === 'parameter') {
        slots.set(root, { storage: root.source.kind === 'input' ? 'input' : 'param', stride: root.width, offset: 0 });
      } else if (isAccumulator(root)) {
        slots.set(root, { storage: 'grad', stride: root.width, offset: accumulatorFloats });
        accumulatorFloats += roundUp(root.width);
      } else if (root.domain === 'none') {
        slots.set(root, { storage: 'none', stride: root.width, offset: noneFloats });
        noneFloats += roundUp(root.width);
      } else if (full.has(root)) {
        slots.set(root, { storage: 'full', stride: strideOf(root.width), offset: 0 });
      } else {
        tiles.push(interval);
      }
    }
    const { offsets, floats } = packTiles(segment, tiles, layout);
    for (const [root, offset] of offsets) {
      slots.set(root, { storage: 'tile', stride: strideOf(root.width), offset });
    }
    tileFloats = Math.max(tileFloats, floats);
  }
  return {
    slot(root) {
      const slot = slots.get(root);
      if (slot === undefined) throw new Error(`no memory was planned for ${root.name}`);
      return slot;
    },
    tileFloats,
    noneFloats,
    accumulatorFloats,
  };
}

/** Roots that more than one segment touches, that an operation on the whole batch touches, or that are read after the step. */
function rootsOfWholeBatch(segments: readonly Segment[], layout: Layout, kept: Iterable<Value>): ReadonlySet<Value> {
  const full = new Set<Value>();
  for (const value of kept) full.add(layout.place(value).root);
  const segmentOf = new Map<Value, Segment>();
  for (const segment of segments) {
    for (const { root } of liveness(segment, layout)) {
      if (segment.phase === 'batch' && root.domain !== 'none') full.add(root);
      const known = segmentOf.get(root);
      if (known === undefined) segmentOf.set(root, segment);
      else if (known !== segment) full.add(root);
    }
  }
  return full;
}

/** In order of the first use. View operations touch no memory and do not count. */
function liveness(segment: Segment, layout: Layout): Interval[] {
  const intervals = new Map<Value, Interval>();
  segment.operations.forEach((operation, position) => {
    if (operation.definition.view) return;
    for (const value of [...operation.inputs, ...operation.outputs]) {
      const { root } = layout.place(value);
      const known = intervals.get(root);
      if (known === undefined) intervals.set(root, { root, first: position, last: position });
      else known.last = position;
    }
  });
  return [...intervals.values()];
}

/** First fit at the lowest offset, in order of first use: early slots stay hot. */
function packTiles(
  segment: Segment,
  intervals: readonly Interval[],
  layout: Layout,
): { offsets: Map<Value, number>; floats: number } {
  const offsets = new Map<Value, number>();
  const placed: { interval: Interval; offset: number; size: number }[] = [];
  let floats = 0;
  for (const interval of intervals) {
    const size = strideOf(interval.root.width);
    const overwritten = inPlaceSource(segment, interval, intervals, layout);
    const busy = placed
      .filter((other) => other.interval.last >= interval.first && other.interval.root !== overwritten)
      .sort((a, b) => a.offset - b.offset);
    let offset = overwritten === undefined ? 0 : (offsets.get(overwritten) ?? 0);
    if (overwritten === undefined) {
      for (const other of busy) {
        if (offset + size <= other.offset) break;
        offset = Math.max(offset, other.offset + other.size);
      }
    }
    offsets.set(interval.root, offset);
    placed.push({ interval, offset, size });
    floats = Math.max(floats, offset + size);
  }
  return { offsets, floats };
}

/** The root that this one may overwrite: the dying first input of an in-place operation that writes the whole root. */
function inPlaceSource(
  segment: Segment,
  interval: Interval,
  intervals: readonly Interval[],
  layout: Layout,
): Value | undefined {
  const operation = segment.operations[interval.first];
  const [x] = operation?.inputs ?? [];
  const [y] = operation?.outputs ?? [];
  if (operation?.definition.inPlace !== true || x === undefined || y === undefined) return undefined;
  const source = layout.place(x).root;
  const dying = intervals.find((other) => other.root === source);
  const whole = x.width === source.width && y === interval.root;
  const alsoRead = operation.inputs.slice(1).some((input) => layout.place(input).root === source);
  return whole && !alsoRead && dying?.last === interval.first ? source : undefined;
}

function strideOf(width: number): number {
  return width > 8 ? roundUp(width) : width;
}

function roundUp(floats: number): number {
  return Math.ceil(floats / LINE) * LINE;
}
