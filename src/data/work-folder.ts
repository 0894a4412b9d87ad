/**
 * Where a dataset is made: a folder beside its place, renamed into it when it is whole. What killed jobs left is removed
 * at the next start.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PrerankError } from '../base/errors.js';
import { syncPath } from '../base/files.js';
import { DATASET_FILE, FEATURES_FILE, REJECTS_FILE } from './dataset-file.js';

/** Folders of this process that are in use. */
const inUse = new Set<string>();
let made = 0;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Folders beside `place` that a job which is no more left there. */
function abandoned(place: string, kind: 'tmp' | 'old'): string[] {
  const parent = dirname(place);
  if (!existsSync(parent)) return [];
  const prefix = `${basename(place)}.${kind}-`;
  return readdirSync(parent)
    .filter((name) => name.startsWith(prefix))
    .filter((name) => {
      const pid = Number(name.slice(prefix.length).split('-')[0]);
      return pid === process.pid ? !inUse.has(join(parent, name)) : !isAlive(pid);
    })
    .map((name) => join(parent, name));
}

/** Undoes what killed jobs left beside `place`. */
export function cleanUp(place: string): void {
  for (const folder of abandoned(place, 'old')) {
    if (existsSync(join(place, DATASET_FILE))) rmSync(folder, { recursive: true, force: true });
    else if (!existsSync(place)) renameSync(folder, place);
  }
  for (const folder of abandoned(place, 'tmp')) rmSync(folder, { recursive: true, force: true });
}

const OWN_FILES = new Set([DATASET_FILE, FEATURES_FILE, REJECTS_FILE]);

/** A folder with anything but a dataset is nobody's to replace. */
function checkReplaceable(place: string): void {
  if (!existsSync(place)) return;
  const foreign = readdirSync(place).find((name) => !OWN_FILES.has(name) && !/^part-\d+\.arrow$|\.tmp-\d+$/.test(name));
  if (foreign === undefined) return;
  throw new PrerankError(
    'INVALID_ARGUMENT',
    `${place} holds "${foreign}", which is no part of a dataset. Choose another folder`,
    {
      file: join(place, foreign),
    },
  );
}

export class WorkFolder {
  /** Of the files of the dataset; exists and is empty. */
  readonly dataset: string;
  /** For everything else. */
  readonly temporary: string;

  private constructor(
    readonly path: string,
    private readonly place: string,
  ) {
    this.dataset = join(path, 'dataset');
    this.temporary = join(path, 'temporary');
  }

  /** @throws PrerankError INVALID_ARGUMENT when the place holds something that is no dataset. */
  static create(place: string): WorkFolder {
    cleanUp(place);
    checkReplaceable(place);
    const work = new WorkFolder(`${place}.tmp-${process.pid}-${made++}`, place);
    inUse.add(work.path);
    mkdirSync(work.dataset, { recursive: true });
    mkdirSync(work.temporary, { recursive: true });
    return work;
  }

  /** Puts the dataset into its place. */
  async publish(): Promise<void> {
    await syncPath(this.dataset);
    const old = `${this.place}.old-${process.pid}-${made++}`;
    if (existsSync(this.place)) {
      inUse.add(old);
      await rename(this.place, old);
    }
    await rename(this.dataset, this.place);
    await syncPath(dirname(this.place));
    await rm(old, { recursive: true, force: true });
    inUse.delete(old);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
    inUse.delete(this.path);
  }
}
