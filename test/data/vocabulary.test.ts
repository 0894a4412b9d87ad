/** Vocabularies that stay text until somebody looks at them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFeatureMap, writeFeatureMap } from '../../src/data/feature-map.js';
import {
  type Vocabulary,
  valuesJson,
  vocabularySize,
  withJsonValues,
  withValuesOf,
} from '../../src/data/vocabulary.js';
import { configOf, encode, temporaryFolder, writeLog } from './support/logs.js';

const BASE: Vocabulary = { kind: 'vocabulary', valueType: 'string', minFrequency: 2, values: [] };

describe('vocabularies as text', () => {
  it('give their values, their number and their text', () => {
    const values = ['a', '"quoted\\"', 'tab\t', ''];
    const json = JSON.stringify(values);
    const lazy = withJsonValues(BASE, json, values.length);
    assert.equal(vocabularySize(lazy), 4);
    assert.equal(valuesJson(lazy), json);
    assert.deepEqual({ ...lazy }, { ...BASE, values });
    const copy = withValuesOf({ ...BASE, capacity: 9 }, lazy);
    assert.equal(vocabularySize(copy), 4);
    assert.deepEqual({ ...copy }, { ...BASE, capacity: 9, values });
    const parsed = { ...BASE, values };
    assert.equal(vocabularySize(parsed), 4);
    assert.equal(valuesJson(parsed), json);
    assert.deepEqual(withValuesOf(BASE, parsed).values, values);
  });

  it('are written to features.json with the bytes that their values give', async () => {
    const folder = temporaryFolder();
    try {
      const path = await writeLog(
        join(folder.path, 'log.parquet'),
        `SELECT 'x' || chr(i::INT) || '"\\' AS id, i % 2 AS click FROM (SELECT unnest(range(1, 1000)) AS i)`,
      );
      const features = { ad: [{ name: 'id', kind: 'categorical' as const, vocabulary: { minFrequency: 1 } }] };
      const config = configOf({ train: [path], columns: { click: 'click' }, features });
      const dir = join(folder.path, 'dataset');
      const { featureMap } = await encode(config, dir);
      const written = readFileSync(join(dir, 'features.json'), 'utf8');
      const read = readFeatureMap(join(dir, 'features.json'));
      const [table] = read.tables;
      assert.equal(table?.rows, 1000);
      assert.ok(table.mapping.kind === 'vocabulary' && table.mapping.values.includes('x\b"\\'));
      assert.deepEqual(JSON.parse(JSON.stringify(featureMap)), read);
      assert.equal(JSON.stringify(featureMap), JSON.stringify(read));
      await writeFeatureMap(join(folder.path, 'again.json'), read);
      assert.equal(readFileSync(join(folder.path, 'again.json'), 'utf8'), written);
    } finally {
      folder.remove();
    }
  });
});
