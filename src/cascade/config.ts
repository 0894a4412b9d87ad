/** The configuration of a simulation: schema, defaults (the paper's world, reproduction.md §1) and loading. */
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { didYouMean, listNames } from '../base/suggest.js';
import { checkConfig } from '../config/load.js';
import { isPlainObject } from '../config/override.js';
import type { ConfigProblem } from '../config/problems.js';
import { auctionSchema } from '../config/schema.js';
import { strict } from '../config/strict.js';
import { PRESETS, type PresetName } from './presets.js';

const count = z.int().nonnegative();
const positiveCount = z.int().positive();
const finite = z.number();
const entities = positiveCount.max(2 ** 24);
const nonNegative = z.number().nonnegative();
const share = z.number().min(0).max(1);
const folder = z.string().min(1);
const name = z.string().regex(/^[a-z][a-z0-9_]*$/, {
  error: 'a quality event is named by small letters, digits and _, starting with a letter',
});

/** A number per objective. */
const objectives = (click: number, postClick: number, postImpression: number) =>
  strict({
    click: nonNegative.default(click),
    postClick: nonNegative.default(postClick),
    postImpression: nonNegative.default(postImpression),
  });

const world = strict({
  users: entities.default(4000),
  ads: entities.default(1500),
  lateAds: share.default(0),
  factors: z.int().positive().max(256).multipleOf(2).default(8),
  activity: nonNegative.default(0.4),
  popularity: nonNegative.default(0.5),
  objectives: objectives(0.5, 0.3, 0.2)
    .refine((shares) => shares.click + shares.postClick + shares.postImpression > 0, {
      error: 'at least one objective needs a share above 0',
    })
    .prefault({}),
  bid: strict({
    spread: nonNegative.default(0.6),
    bait: finite.default(0.25),
    level: objectives(1, 12, 15).prefault({}),
  }).prefault({}),
  click: strict({
    base: finite.default(-3.4),
    bait: finite.default(0.35),
    cliff: nonNegative.default(1.2),
    accidental: share.default(0),
  }).prefault({}),
  conversion: strict({
    base: finite.default(-2.4),
    match: finite.default(0.8),
    bait: finite.default(-0.5),
  }).prefault({}),
  viewThrough: strict({
    base: finite.default(-4.6),
    match: finite.default(0.9),
    popularity: finite.default(0.5),
  }).prefault({}),
});

const qualityEvent = strict({
  name,
  scalar: finite,
  base: finite,
  bait: finite.default(0),
  low: z.tuple([finite, finite]).default([0, 0]),
  sensitivity: finite.default(0),
  match: finite.default(0),
});

const bad = { sensitivity: 0.4, match: -0.25 };
const good = { sensitivity: -0.4, match: 0.25 };

const PAPER_EVENTS: QualityEventInput[] = [
  { name: 'cross_out', scalar: -6, base: -4, bait: 1, low: [0.9, 0], ...bad },
  { name: 'hide', scalar: -4, base: -3.6, bait: 0.6, low: [0, 0.9], ...bad },
  { name: 'report', scalar: -10, base: -4.6, bait: 0.4, low: [1, 0.5], ...bad },
  { name: 'survey_good', scalar: 0.5, base: -1.6, bait: -0.7, low: [-0.6, -0.3], ...good },
  { name: 'engaged_view', scalar: 0.45, base: -2.2, bait: -0.4, low: [0, -0.9], ...good },
];

const teacherShape = {
  noise: nonNegative.default(0.25),
  adNoise: nonNegative.default(0),
  sharedNoise: share.default(0),
  bias: strict({
    ctr: finite.default(0),
    conversion: finite.default(0),
    quality: finite.default(0),
  }).prefault({}),
};

const teacherChange = strict({
  noise: nonNegative.optional(),
  adNoise: nonNegative.optional(),
  sharedNoise: share.optional(),
  bias: strict({ ctr: finite.optional(), conversion: finite.optional(), quality: finite.optional() }).optional(),
});

const change = strict({
  at: share,
  events: z.array(qualityEvent).default([]),
  scalars: z.record(name, finite).default({}),
  teacher: teacherChange.optional(),
});

export const simulationSchema = strict({
  seed: z.int().nonnegative().default(1),
  world: world.prefault({}),
  features: strict({
    noise: nonNegative.default(0.5),
    traits: z.enum(['hidden', 'noisy']).default('hidden'),
  }).prefault({}),
  quality: strict({
    scale: nonNegative.default(0.25),
    sharedTraits: nonNegative.default(1),
    events: z.array(qualityEvent).min(1).prefault(PAPER_EVENTS),
  }).prefault({}),
  retrieval: strict({
    kind: z.enum(['relevance', 'random']).default('relevance'),
    drawn: positiveCount.default(3),
    noise: nonNegative.default(1),
  }).prefault({}),
  early: strict({
    run: folder.optional(),
    kind: z.enum(['oracle', 'random']).default('oracle'),
    noise: nonNegative.default(0.8),
    events: z.array(name).default(['cross_out', 'hide']),
    conversionNoise: nonNegative.default(0.5),
  }).prefault({}),
  teacher: strict({ run: folder.optional(), ...teacherShape }).prefault({}),
  cascade: strict({
    retrieved: positiveCount.default(300),
    passed: positiveCount.default(30),
    shown: positiveCount.default(2),
    golden: positiveCount.optional(),
  }).prefault({}),
  auction: auctionSchema.prefault({}),
  requests: strict({
    train: positiveCount.default(20_000),
    eval: positiveCount.default(2000),
    replay: positiveCount.default(1500),
    first: count.default(0),
    start: z.iso.datetime().default('2024-01-01T00:00:00Z'),
    perSecond: z.number().min(1e-6).default(0.1),
  }).prefault({}),
  log: strict({
    final: count.default(4),
    early: count.default(4),
    rowsPerFile: positiveCount.default(262_144),
  }).prefault({}),
  drift: z.array(change).default([]),
});

/** What a user may write. */
export type SimulationInput = z.input<typeof simulationSchema>;

/** Every value filled in. */
export type SimulationConfig = z.output<typeof simulationSchema>;

/** A quality event as a configuration gives it: what has a default may be missing. */
export type QualityEventInput = z.input<typeof qualityEvent>;

export type QualityEventConfig = z.output<typeof qualityEvent>;
export type TeacherConfig = SimulationConfig['teacher'];
export type TeacherChange = z.output<typeof teacherChange>;

/** Problems that the schema cannot see. */
function contradictions(config: SimulationConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = (path: (string | number)[], message: string): void => {
    problems.push({ path, message });
  };
  const { world: ads, cascade, early, quality, drift, requests } = config;
  const launched = ads.ads - Math.floor(ads.ads * ads.lateAds);
  if (cascade.retrieved > launched) {
    report(['cascade', 'retrieved'], `${cascade.retrieved} ads a request, but only ${launched} at the start`);
  }
  if (cascade.passed > cascade.retrieved) {
    report(['cascade', 'passed'], `more than the ${cascade.retrieved} retrieved ads`);
  }
  if (cascade.shown > cascade.passed) report(['cascade', 'shown'], `more than the ${cascade.passed} passed ads`);
  if (requests.first + requests.train + requests.eval + requests.replay > 0xffff_ffff) {
    report(['requests'], 'more than 4294967295 requests');
  }
  const known = quality.events.map((event) => event.name);
  for (const [i, event] of known.entries()) {
    if (known.indexOf(event) < i) report(['quality', 'events', i, 'name'], `${event} is there twice`);
  }
  for (const [i, event] of early.events.entries()) {
    if (!known.includes(event)) report(['early', 'events', i], unknownEvent(event, known));
  }
  for (const [i, { at, events, scalars }] of drift.entries()) {
    if (at < (drift[i - 1]?.at ?? 0)) report(['drift', i, 'at'], 'changes must be in the order of time');
    for (const [j, event] of events.entries()) {
      if (known.includes(event.name)) report(['drift', i, 'events', j, 'name'], `${event.name} is there twice`);
      known.push(event.name);
    }
    for (const event of Object.keys(scalars)) {
      if (!known.includes(event)) report(['drift', i, 'scalars', event], unknownEvent(event, known));
    }
  }
  return problems;
}

function unknownEvent(event: string, known: readonly string[]): string {
  return `no quality event is named ${event}.${didYouMean(event, known)} Events: ${listNames(known, 30)}`;
}

/** Folders of runs made absolute. */
function anchorRuns(config: unknown, directory: string): unknown {
  if (!isPlainObject(config)) return config;
  const anchored = (stage: unknown): unknown =>
    isPlainObject(stage) && typeof stage.run === 'string' ? { ...stage, run: resolve(directory, stage.run) } : stage;
  const stages = Object.entries(config).map(([key, value]) =>
    key === 'early' || key === 'teacher' ? [key, anchored(value)] : [key, value],
  );
  return Object.fromEntries(stages);
}

export interface LoadSimulationOptions {
  /** What holds where the source says nothing; default: `paper`. */
  readonly preset?: PresetName;
  /** `path=value` pairs; the value is read as YAML. */
  readonly set?: readonly string[];
  /** Over everything else. */
  readonly overrides?: object;
}

/**
 * Loads, checks and completes the configuration of a simulation: defaults < preset < source < `set` < overrides.
 *
 * @param source path of a YAML file, or the configuration itself.
 * @throws PrerankError CONFIG_INVALID naming file, line and configuration path of every problem; USAGE.
 */
export function loadSimulation(
  source: string | SimulationInput = {},
  options: LoadSimulationOptions = {},
): SimulationConfig {
  const { preset = 'paper', ...layers } = options;
  const base = { ...PRESETS[preset] };
  const checked = checkConfig(source, { ...layers, base, schema: simulationSchema, anchor: anchorRuns });
  const problems = contradictions(checked.value);
  if (problems.length > 0) checked.fail(problems);
  return checked.value;
}

/** The text of `simulation.yaml`: read back it gives the same configuration. */
export function simulationYaml(config: SimulationConfig): string {
  return stringify(config, { lineWidth: 120, aliasDuplicateObjects: false });
}
