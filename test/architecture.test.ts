/** ARCHITECTURE.md promises that imports point one way. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src');

/** A folder may import those of lower ranks, and itself; folders of one rank know nothing of each other. */
const RANKS: readonly (readonly string[])[] = [
  ['base'],
  ['runtime'],
  ['graph', 'config', 'metrics'],
  ['losses'],
  ['data'],
  ['auction', 'models'],
  ['cascade', 'train'],
  ['bench', 'experiment'],
  ['cli'],
];

/** `graph/linear.ts` is in `graph`; a file beside the folders (`index.ts`) is in none. */
function folderOf(file: string): string | undefined {
  const parts = file.split(sep);
  return parts.length > 1 ? parts[0] : undefined;
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), 'utf8');
  const targets = [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*'(\.[^']+)'/gm)].map((match) => match[1] ?? '');
  return targets.map((target) => normalize(join(dirname(file), target)));
}

describe('architecture', () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

  it('knows every folder of src', () => {
    const folders = new Set(files.flatMap((file) => folderOf(file) ?? []));
    assert.deepEqual([...folders].sort(), RANKS.flat().sort());
  });

  it('lets imports point one way', () => {
    const rank = (folder: string): number => RANKS.findIndex((folders) => folders.includes(folder));
    const upwards = files.flatMap((file) =>
      importsOf(file).flatMap((target) => {
        const from = folderOf(file);
        const to = folderOf(target);
        if (from === undefined || to === undefined || from === to || rank(to) < rank(from)) {
          return [];
        }
        return [`${file} imports ${target}`];
      }),
    );
    assert.deepEqual(upwards, []);
  });
});
