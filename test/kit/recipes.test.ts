import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/load.js';

const DATA = fileURLToPath(new URL('../../../data', import.meta.url));
const RECIPES = join(DATA, 'recipes');

describe('configurations that come with the project', () => {
  const recipes = readdirSync(RECIPES).filter((name) => name.endsWith('.yaml'));

  it('there is a recipe for each supported public data set', () => {
    assert.ok(recipes.length >= 15);
  });

  for (const name of recipes) {
    it(`recipes/${name} is valid and named after its file`, () => {
      assert.equal(loadConfig(join(RECIPES, name)).name, name.replace(/\.yaml$/, ''));
    });
  }

  it('sample/config.yaml has the three tasks of the framework', () => {
    const config = loadConfig(join(DATA, 'sample', 'config.yaml'));
    assert.deepEqual(Object.keys(config.tasks), ['ctr', 'cqs', 'teacher']);
    assert.equal(config.model.kind, 'two-tower');
  });
});
