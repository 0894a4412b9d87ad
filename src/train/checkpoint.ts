/**
 * Checkpoints of a run: `checkpoints/step-N/{model.safetensors, optimizer.safetensors, state.json}`. A folder is written
 * under a temporary name, fsynced and renamed, then `last` is replaced to name it: a reader never meets half a checkpoint.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { syncPath, writeJsonDurable, writeTextDurable } from '../base/files.js';
import type { Cursor, NativeParameterStore, ProductTuning, TensorInfo } from '../runtime/native.js';
import type { EarlyStoppingState } from './early-stopping.js';
import { SafetensorsFile, type WrittenFile, writeSafetensors } from './safetensors.js';
import type { WindowState } from './window.js';

const MODEL_FILE = 'model.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'state.json';
const LAST_FILE = 'last';
const BEST_FILE = 'best';

/** What decides whether two runs give the same bytes. */
export interface Versions {
  readonly prerank: string;
  readonly node: string;
  readonly isa: string;
  readonly threads: number;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
}

export interface Fingerprints {
  readonly config: string;
  readonly model: string;
  readonly features: string;
  readonly data: string;
}

/** Everything besides tensors that a run needs to go on. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number;
  /** Rows seen. */
  readonly samples: number;
  /** Training seconds so far, over all the run's processes. */
  readonly seconds: number;
  readonly waitSeconds: number;
  /** Position after the last batch that was trained on. */
  readonly cursor: Cursor;
  readonly seed: number;
  readonly schedule: { readonly step: number; readonly totalSteps: number };
  readonly earlyStopping: EarlyStoppingState | null;
  readonly window: WindowState;
  /** Length of metrics.jsonl at this step; the file is cut back to it on resume. */
  readonly metricsBytes: number;
  readonly fingerprints: Fingerprints;
  readonly versions: Versions;
  /** Of a run with `training.autotune`. */
  readonly tuning?: ProductTuning;
}

interface StateFile extends TrainingState {
  readonly version: 1;
  readonly files: Readonly<Record<string, WrittenFile>>;
}

/** The checkpoints folder of one run. */
export class Checkpoints {
  readonly folder: string;
  readonly #keep: number;

  /** @param keep how many of the newest to keep, besides the best. */
  constructor(folder: string, keep: number) {
    this.folder = folder;
    this.#keep = keep;
  }

  path(step: number): string {
    return join(this.folder, `step-${step}`);
  }

  modelTensors(step: number): string {
    return join(this.path(step), MODEL_FILE);
  }

  /** Step of the newest complete checkpoint, or null. */
  async last(): Promise<number | null> {
    return this.#readPointer(LAST_FILE);
  }

  /** Step of the best checkpoint by the early-stopping metric, or null. */
  async best(): Promise<number | null> {
    return this.#readPointer(BEST_FILE);
  }

  /** Writes the checkpoint of `state.step` (kept as it is when it is the last one already) and removes old ones. */
  async write(store: NativeParameterStore, state: TrainingState, options: { readonly best: boolean }): Promise<string> {
    const path = this.path(state.step);
    if ((await this.last()) !== state.step) {
      await this.#writeFolder(path, store, state);
      await writeTextDurable(join(this.folder, LAST_FILE), `step-${state.step}\n`);
    }
    if (options.best) {
      await writeTextDurable(join(this.folder, BEST_FILE), `step-${state.step}\n`);
    }
    await this.#prune();
    return path;
  }

  async #writeFolder(path: string, store: NativeParameterStore, state: TrainingState): Promise<void> {
    const temporary = join(this.folder, `.writing-step-${state.step}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    const files = {
      [MODEL_FILE]: await writeTensors(join(temporary, MODEL_FILE), store, store.parameters()),
      [OPTIMIZER_FILE]: await writeTensors(join(temporary, OPTIMIZER_FILE), store, store.states()),
    };
    const content: StateFile = { version: 1, ...state, files };
    await writeJsonDurable(join(temporary, STATE_FILE), content);
    await syncPath(temporary);
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
    await syncPath(this.folder);
  }

  async #prune(): Promise<void> {
    const kept = new Set([await this.last(), await this.best()]);
    const steps = (await this.#steps()).sort((a, b) => b - a);
    for (const step of steps.slice(this.#keep)) {
      if (!kept.has(step)) {
        await rm(this.path(step), { recursive: true, force: true });
      }
    }
  }

  async #steps(): Promise<number[]> {
    const names = await readdir(this.folder);
    return names.flatMap((name) => {
      const step = parseStep(name);
      return step === null ? [] : [step];
    });
  }

  async #readPointer(name: string): Promise<number | null> {
    const file = join(this.folder, name);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return null;
      }
      throw error;
    }
    const step = parseStep(text.trim());
    if (step === null) {
      throw new PrerankError('CHECKPOINT_INVALID', `it should name a checkpoint ("step-N"), not "${text.trim()}"`, {
        file,
      });
    }
    return step;
  }
}

function parseStep(name: string): number | null {
  const match = /^step-(\d+)$/.exec(name);
  return match === null ? null : Number(match[1]);
}

async function writeTensors(
  path: string,
  store: NativeParameterStore,
  tensors: readonly TensorInfo[],
): Promise<WrittenFile> {
  return writeSafetensors(
    path,
    tensors.map(({ name, shape }) => ({ name, shape, read: () => store.read(name) })),
  );
}

/** Writes the parameters of a store as one safetensors file. */
export async function writeModelTensors(path: string, store: NativeParameterStore): Promise<WrittenFile> {
  return writeTensors(path, store, store.parameters());
}

/** Reads and checks `state.json` of a checkpoint folder. */
export async function readState(checkpoint: string): Promise<StateFile> {
  const file = join(checkpoint, STATE_FILE);
  let state: unknown;
  try {
    state = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new PrerankError(
      'CHECKPOINT_INVALID',
      `cannot read the training state: ${(error as Error).message}`,
      { file },
      {
        cause: error,
      },
    );
  }
  if (!isStateFile(state)) {
    throw new PrerankError('CHECKPOINT_INVALID', 'this is not a training state that this version can read', { file });
  }
  return state;
}

function isStateFile(value: unknown): value is StateFile {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const state = value as Partial<StateFile>;
  const numbers = [state.step, state.samples, state.seconds, state.waitSeconds, state.seed, state.metricsBytes];
  return (
    state.version === 1 &&
    numbers.every((number) => Number.isFinite(number)) &&
    Number.isSafeInteger(state.cursor?.epoch) &&
    Number.isSafeInteger(state.cursor?.batch) &&
    Array.isArray(state.window?.sums) &&
    typeof state.fingerprints === 'object' &&
    typeof state.versions === 'object' &&
    typeof state.files === 'object'
  );
}

/** Loads a checkpoint's parameters and optimizer state into a store; the files' SHA-256 must be those of state.json. */
export async function restoreCheckpoint(checkpoint: string, store: NativeParameterStore): Promise<TrainingState> {
  const state = await readState(checkpoint);
  await restoreTensors(join(checkpoint, MODEL_FILE), store, store.parameters(), state.files[MODEL_FILE]);
  await restoreTensors(join(checkpoint, OPTIMIZER_FILE), store, store.states(), state.files[OPTIMIZER_FILE]);
  return state;
}

/** Loads parameters from a `model.safetensors`. CHECKPOINT_MISMATCH names every tensor that differs. */
export async function restoreParameters(path: string, store: NativeParameterStore): Promise<void> {
  await restoreTensors(path, store, store.parameters(), undefined);
}

async function restoreTensors(
  path: string,
  store: NativeParameterStore,
  expected: readonly TensorInfo[],
  written: WrittenFile | undefined,
): Promise<void> {
  const file = await SafetensorsFile.open(path);
  try {
    checkTensors(file, expected);
    if (written !== undefined && (await file.sha256()) !== written.sha256) {
      throw new PrerankError(
        'CHECKPOINT_INVALID',
        'its SHA-256 is not the one in state.json: the file is corrupt or was changed; resume from an older checkpoint ' +
          'by writing its name into checkpoints/last',
        { file: path },
      );
    }
    for (const { name } of expected) {
      store.write(name, await file.read(name));
    }
  } finally {
    await file.close();
  }
}

const MAX_DIFFERENCES = 8;

function checkTensors(file: SafetensorsFile, expected: readonly TensorInfo[]): void {
  const found = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  const differences: string[] = [];
  for (const { name, shape } of expected) {
    const tensor = found.get(name);
    if (tensor === undefined) {
      differences.push(`${name} [${shape}] is missing`);
    } else if (tensor.shape.join() !== shape.join()) {
      differences.push(`${name} is [${tensor.shape}], the model needs [${shape}]`);
    }
    found.delete(name);
  }
  differences.push(...[...found.values()].map(({ name, shape }) => `${name} [${shape}] is not in the model`));
  if (differences.length > 0) {
    const more = differences.length > MAX_DIFFERENCES ? `; and ${differences.length - MAX_DIFFERENCES} more` : '';
    throw new PrerankError(
      'CHECKPOINT_MISMATCH',
      `these tensors are of another model: ${differences.slice(0, MAX_DIFFERENCES).join('; ')}${more}`,
      { file: file.path },
    );
  }
}
