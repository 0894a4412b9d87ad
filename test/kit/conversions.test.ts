import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { Database } from '../../src/data/duckdb.js';
import { skip } from '../support/skip.js';

const RECIPES = fileURLToPath(new URL('../../../data/recipes', import.meta.url));
const CONVERTED = join(process.env.PRERANK_SHARED ?? resolve('../shared'), 'data');

interface ConversionLog {
  readonly title: string;
  readonly train: string;
  readonly eval: string;
  readonly directory: string;
}

const logs: Readonly<Record<string, ConversionLog>> = JSON.parse(
  readFileSync(join(RECIPES, 'conversions.json'), 'utf8'),
);

describe('logs with clicks and conversions', () => {
  const names = readdirSync(RECIPES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => parse(readFileSync(join(RECIPES, file), 'utf8')).name);

  for (const [name, { directory, train, eval: evaluation }] of Object.entries(logs)) {
    it(`${name} is a recipe, and its converted log has a click for every conversion`, async function () {
      assert.ok(names.includes(name));
      const folder = join(CONVERTED, directory);
      if (!existsSync(folder)) skip(this, `no ${folder}`);
      const database = await Database.open(folder);
      try {
        for (const sql of [train, evaluation]) {
          const [found] = await database.rows(
            `SELECT count(*)::DOUBLE, sum(if(click = 0, 1, 0))::DOUBLE FROM (${sql}) WHERE conversion = 1`,
          );
          const [conversions, strays] = (found ?? []) as number[];
          assert.ok((conversions ?? 0) > 100, `${conversions} conversions`);
          assert.equal(strays, 0);
        }
      } finally {
        database.close();
      }
    });
  }
});
