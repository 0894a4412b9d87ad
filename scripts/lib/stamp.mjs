/** Stamps: a step is up to date while the hash of everything it was made from is the one written beside its result. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** All files below a folder (or the file itself), sorted, hidden ones and those `skip` names left out. */
export function filesUnder(path, skip = () => false) {
  if (!existsSync(path)) return [];
  const found = [];
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const full = join(folder, entry.name);
      if (entry.name.startsWith('.') || skip(full)) continue;
      if (entry.isDirectory()) visit(full);
      else if (entry.isFile()) found.push(full);
    }
  };
  visit(path);
  return found.sort();
}

/** SHA-256 of the files' names (relative to root) and contents, and of the extra strings. */
export function hashFiles(root, files, extra = []) {
  const hash = createHash('sha256');
  for (const file of files) {
    hash.update(`${relative(root, file)}\0`);
    hash.update(readFileSync(file));
    hash.update('\0');
  }
  for (const text of extra) hash.update(`${text}\0`);
  return hash.digest('hex');
}

/** @returns {boolean} whether the stamp file holds this hash */
export function isStamped(stamp, hash) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === hash;
}

/** Writes the hash; call it only after the step succeeded. */
export function writeStamp(stamp, hash) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${hash}\n`);
}
