/** What holds during a stretch of the request stream: quality events and their scalars, and the final stage (drift). */
import type { QualityEventConfig, SimulationConfig, TeacherChange, TeacherConfig } from './config.js';

export interface Phase {
  /** Number of the first request. */
  readonly first: number;
  /** Rises with every change of events or scalars. */
  readonly qualityVersion: number;
  /** Rises when the final stage is replaced: the new one makes other errors. */
  readonly teacherVersion: number;
  /** Multiplier of each event of `allEvents`, `quality.scale` included; NaN where the event is not there yet. */
  readonly scalars: Float64Array;
  readonly teacher: TeacherConfig;
}

/** Every quality event that exists at some time, those added later behind. */
export function allEvents(config: SimulationConfig): readonly QualityEventConfig[] {
  return [...config.quality.events, ...config.drift.flatMap((change) => change.events)];
}

/** A change takes effect with the first training request at or after its place in the stream. */
export function firstRequestOf(config: SimulationConfig, at: number): number {
  return config.requests.first + Math.ceil(at * config.requests.train);
}

function changed(teacher: TeacherConfig, { bias, ...rest }: TeacherChange): TeacherConfig {
  return { ...teacher, ...defined(rest), bias: { ...teacher.bias, ...defined(bias ?? {}) } };
}

function defined<Values extends object>(values: Values): { [key in keyof Values]?: Exclude<Values[key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

/** The phases of a stream, in order; the first starts with request 0. */
export function createPhases(config: SimulationConfig): readonly Phase[] {
  const events = allEvents(config);
  const { scale, events: initial } = config.quality;
  const scalars = Float64Array.from(events, (event, i) => (i < initial.length ? scale * event.scalar : Number.NaN));
  const phases: Phase[] = [{ first: 0, qualityVersion: 0, teacherVersion: 0, scalars, teacher: config.teacher }];
  for (const change of config.drift) {
    const before = phases[phases.length - 1] ?? phases[0];
    if (before === undefined) break;
    const first = firstRequestOf(config, change.at);
    const next = { ...before, first, scalars: Float64Array.from(before.scalars) };
    for (const [i, event] of events.entries()) {
      if (change.events.includes(event)) next.scalars[i] = scale * event.scalar;
      const scalar = change.scalars[event.name];
      if (scalar !== undefined) next.scalars[i] = scale * scalar;
    }
    const phase = {
      ...next,
      qualityVersion: before.qualityVersion + (change.events.length + Object.keys(change.scalars).length > 0 ? 1 : 0),
      teacherVersion: before.teacherVersion + (change.teacher === undefined ? 0 : 1),
      teacher: change.teacher === undefined ? before.teacher : changed(before.teacher, change.teacher),
    };
    if (before.first === first) phases.pop();
    phases.push(phase);
  }
  return phases;
}

/** The phase of a request. */
export function phaseOf(phases: readonly Phase[], request: number): Phase {
  const [initial, ...later] = phases;
  if (initial === undefined) throw new RangeError('a stream has a phase');
  return later.reduce((current, phase) => (phase.first <= request ? phase : current), initial);
}
