/** A small simulated system with runs trained on its logs. */
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { SimulationConfig } from '../../src/cascade/config.js';
import { simulate } from '../../src/cascade/simulate.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { loadConfig, train } from '../../src/index.js';
import { smallConfig } from '../cascade/support.js';

export interface Trained {
  readonly folder: string;
  readonly logs: string;
  readonly replay: readonly string[];
  readonly config: SimulationConfig;
  /** Run folders: CTR, CQS and teacher on all rows; CTR on impressions; two quality events on impressions. */
  readonly multiTask: string;
  readonly clicks: string;
  readonly events: string;
}

const TRAINING = { epochs: 2, threads: 1, batchSize: 256, checkpointEverySteps: 10 };

let trained: Promise<Trained> | undefined;

/** Trained once for all tests of a process. */
export function smallArms(): Promise<Trained> {
  trained ??= trainAll();
  return trained;
}

async function trainAll(): Promise<Trained> {
  const config = smallConfig({
    requests: { train: 600, eval: 30, replay: 40 },
    features: { traits: 'noisy', noise: 0.2 },
  });
  const folder = await mkdtemp(join(tmpdir(), 'prerank-arms-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const logs = join(folder, 'logs');
  await simulate(config, { out: logs, threads: 1 });
  const base = parse(readFileSync(join(logs, 'config.yaml'), 'utf8')) as ConfigInput;
  const all = {
    ...base.data,
    train: join(logs, base.data.train as string),
    eval: join(logs, base.data.eval as string),
  };
  const impressions = { ...all, augmentation: undefined };
  const run = async (name: string, input: Pick<ConfigInput, 'data' | 'tasks'>): Promise<string> => {
    const out = join(folder, name);
    await train(loadConfig({ ...base, ...input }, { overrides: { training: TRAINING } }), { out });
    return out;
  };
  return {
    folder,
    logs,
    replay: [join(logs, 'replay', '*.parquet')],
    config,
    multiTask: await run('multi-task', { ...base, data: all }),
    clicks: await run('clicks', { data: impressions, tasks: { ctr: { weight: 1 } } }),
    events: await run('events', {
      data: impressions,
      tasks: { cross_out: { label: 'cross_out', loss: 'bce' }, hide: { label: 'hide', loss: 'bce' } },
    }),
  };
}
