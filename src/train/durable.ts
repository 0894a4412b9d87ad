/** Files that survive a crash: written whole beside their place, fsynced, then renamed into it. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the names in a folder durable (renames and creations in it). */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes `path` by `write` into a temporary file in the same folder, fsyncs it and renames it into place,
 * so that a reader sees the old file or the whole new one. The temporary file is removed when `write` fails.
 */
export async function writeDurable(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  const file = await open(temporary, 'w');
  try {
    await write(file);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await file.close();
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

export async function writeTextDurable(path: string, text: string): Promise<void> {
  await writeDurable(path, (file) => file.writeFile(text));
}

export async function writeJsonDurable(path: string, value: unknown): Promise<void> {
  await writeTextDurable(path, `${JSON.stringify(value, null, 2)}\n`);
}
