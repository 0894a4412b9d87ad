/** Files that survive a crash: written whole beside their place, forced to the disk, then renamed into it. */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Forces a file's content, or the names in a folder (renames and creations in it), to the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes `path` by `write` into a temporary file in the same folder, fsyncs it and renames it into place, so that a
 * reader, or a crash at any moment, sees the old file or the whole new one. Missing folders are made; the temporary file
 * is removed when writing fails.
 */
export async function writeDurable(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.tmp-${process.pid}`;
  const file = await open(temporary, 'w');
  try {
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncPath(dirname(path));
}

export async function writeTextDurable(path: string, text: string): Promise<void> {
  await writeDurable(path, (file) => file.writeFile(text));
}

/** Indented by two spaces. */
export async function writeJsonDurable(path: string, value: unknown): Promise<void> {
  await writeTextDurable(path, `${JSON.stringify(value, null, 2)}\n`);
}
