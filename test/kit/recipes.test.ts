import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/load.js';
import { type ResolvedConfig, SIDES, SIMPLE_ROLES } from '../../src/config/types.js';
import { Log } from '../../src/data/log.js';
import { skip } from '../support/skip.js';

const DATA = fileURLToPath(new URL('../../../data', import.meta.url));
const RECIPES = join(DATA, 'recipes');
const CONVERTED = join(process.env.PRERANK_SHARED ?? resolve('../shared'), 'data');

type ConvertedLog = string | { readonly sql?: string; readonly directory: string };
type Logs = Readonly<Record<'train' | 'eval', ConvertedLog>>;

const reference: Readonly<Record<string, { readonly logs: Logs }>> = JSON.parse(
  readFileSync(join(RECIPES, 'reference.json'), 'utf8'),
);

/** Points a recipe's log at its converted form; without SQL of its own the recipe's is run in that folder. */
function sourceSetting(part: string, log: ConvertedLog, path: string): string {
  if (typeof log === 'string') return `data.${part}=${path}`;
  if (log.sql === undefined) return `data.${part}.directory=${path}`;
  return `data.${part}=${JSON.stringify({ sql: log.sql, directory: path })}`;
}

/** Columns that a configuration reads: roles, features, and labels that are no role. */
function neededColumns({ data, tasks }: ResolvedConfig): string[] {
  const roles = SIMPLE_ROLES.flatMap((role) => data.columns[role] ?? []);
  const features = SIDES.flatMap((side) =>
    data.features[side].flatMap((feature) =>
      feature.kind === 'dense' || feature.weights === undefined ? [feature.column] : [feature.column, feature.weights],
    ),
  );
  const labels = Object.values(tasks).flatMap(({ label }) =>
    label === undefined || Object.keys(data.columns).includes(label) ? [] : [label],
  );
  return [...roles, ...features, ...labels];
}

describe('configurations that come with the project', () => {
  const folders = readdirSync(RECIPES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const files = folders.flatMap(({ name }) =>
    readdirSync(join(RECIPES, name))
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => `${name}/${file}`),
  );
  const names = files.map((file) => loadConfig(join(RECIPES, file)).name);

  it('each recipe has a name of its own and stands in the list of recipes', () => {
    assert.ok(folders.length >= 14);
    assert.equal(new Set(names).size, names.length);
    const list = readFileSync(join(RECIPES, 'README.md'), 'utf8');
    for (const { name } of folders) assert.ok(list.includes(`(${name}/README.md)`), name);
  });

  for (const { name: folder } of folders) {
    it(`recipes/${folder} names its configurations, and says where the set is from and under which licence`, () => {
      const page = readFileSync(join(RECIPES, folder, 'README.md'), 'utf8');
      assert.match(page, /^\| address \| .*https?:\/\//m);
      assert.match(page, /^\| licence \| \S/m);
      for (const file of readdirSync(join(RECIPES, folder)).filter((name) => name.endsWith('.yaml'))) {
        assert.ok(page.includes(file), `${file} is not mentioned`);
      }
    });
  }

  for (const [name, { logs }] of Object.entries(reference)) {
    it(`recipe ${name} finds its columns in the converted log`, async function () {
      const file = files[names.indexOf(name)];
      assert.ok(file !== undefined, `no configuration is named ${name}`);
      for (const [part, log] of Object.entries(logs)) {
        const path = join(CONVERTED, typeof log === 'string' ? log : log.directory);
        if (!existsSync(path)) skip(this, `no ${path}`);
        const config = loadConfig(join(RECIPES, file), { set: [sourceSetting(part, log, path)] });
        const opened = await Log.open(config.data[part as 'train' | 'eval'] ?? []);
        try {
          const missing = neededColumns(config).filter((column) => !opened.has(column));
          assert.deepEqual(missing, [], part);
        } finally {
          opened.close();
        }
      }
    });
  }

  it('sample/config.yaml has the three tasks of the framework', () => {
    const config = loadConfig(join(DATA, 'sample', 'config.yaml'));
    assert.deepEqual(Object.keys(config.tasks), ['ctr', 'cqs', 'teacher']);
    assert.equal(config.model.kind, 'two-tower');
  });
});
