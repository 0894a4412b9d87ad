/** The folder of a run: where its files are, and its metrics.jsonl. */
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrerankError } from '../base/errors.js';

export interface RunPaths {
  readonly root: string;
  readonly config: string;
  readonly metrics: string;
  readonly summary: string;
  readonly checkpoints: string;
  readonly model: string;
  readonly modelTensors: string;
  readonly modelDescription: string;
  readonly features: string;
  /** Encoded datasets. */
  readonly data: string;
}

export function runPaths(root: string): RunPaths {
  const model = join(root, 'model');
  return {
    root,
    config: join(root, 'config.resolved.yaml'),
    metrics: join(root, 'metrics.jsonl'),
    summary: join(root, 'summary.json'),
    checkpoints: join(root, 'checkpoints'),
    model,
    modelTensors: join(model, 'model.safetensors'),
    modelDescription: join(model, 'model.json'),
    features: join(model, 'features.json'),
    data: join(root, 'data'),
  };
}

/** Creates the folder of a run. RUN_EXISTS when a run was started in it and `resume` is not set. */
export async function prepareRunFolder(root: string, resume: boolean): Promise<RunPaths> {
  const paths = runPaths(root);
  if (!resume && existsSync(paths.config)) {
    throw new PrerankError('RUN_EXISTS', 'there is a run in this folder; pass --resume to go on, or another --out', {
      file: root,
    });
  }
  await mkdir(paths.checkpoints, { recursive: true });
  await mkdir(paths.model, { recursive: true });
  return paths;
}

/** metrics.jsonl: one JSON object a line, appended. */
export class MetricsLog {
  readonly #file: FileHandle;
  #bytes: number;

  private constructor(file: FileHandle, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Opens the log and cuts it to its first `bytes` bytes. */
  static async open(path: string, bytes: number): Promise<MetricsLog> {
    const file = await open(path, 'a');
    const { size } = await file.stat();
    const kept = Math.min(bytes, size);
    await file.truncate(kept);
    return new MetricsLog(file, kept);
  }

  get bytes(): number {
    return this.#bytes;
  }

  async append(line: object): Promise<void> {
    const text = Buffer.from(`${JSON.stringify(line)}\n`);
    await this.#file.appendFile(text);
    this.#bytes += text.byteLength;
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Reads a JSON file of a run; RUN_NOT_FOUND when it is absent, CHECKPOINT_INVALID when it is no JSON. */
export async function readRunJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new PrerankError(
      'RUN_NOT_FOUND',
      'this file of the run cannot be read; is it the folder of a run?',
      { file: path },
      {
        cause: error,
      },
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PrerankError(
      'CHECKPOINT_INVALID',
      `no valid JSON: ${(error as Error).message}`,
      { file: path },
      {
        cause: error,
      },
    );
  }
}
