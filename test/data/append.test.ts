/** Files that come later: old bytes and ids stay, new ids get rows as far as there is room. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDescription } from '../../src/data/dataset-file.js';
import { ingest, openDataset } from '../../src/data/index.js';
import { configOf, type DataInput, prerankError, readColumns, temporaryFolder, writeLog } from './support/logs.js';

describe('ingest with append', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const at = (...names: string[]): string => join(folder.path, ...names);

  /** A day's log: requests of 2 rows, cities as given (each once or more), a number. */
  async function writeDay(name: string, cities: readonly string[], first = 0): Promise<string> {
    const list = cities.map((city) => `'${city}'`).join(', ');
    return writeLog(
      at(name),
      `SELECT 'r' || ((${first} + i) // 2) AS request, 'u' || (i % 3) AS user, c AS city, 1 AS click, (${first} + i)::DOUBLE AS d
       FROM (SELECT unnest([${list}]) AS c, unnest(range(${cities.length})) AS i)`,
    );
  }

  const config = (train: DataInput['train'], capacity?: number, more: Partial<DataInput> = {}) =>
    configOf({
      train,
      columns: { request: 'request', user: 'user', click: 'click' },
      features: [
        { name: 'city', kind: 'categorical', vocabulary: { minFrequency: 2, ...(capacity && { capacity }) } },
        { name: 'd', kind: 'dense' },
      ],
      ...more,
    });

  const parts = (dir: string): Record<string, Buffer> =>
    Object.fromEntries(
      readdirSync(dir)
        .filter((name) => name.endsWith('.arrow'))
        .map((name) => [name, readFileSync(join(dir, name))]),
    );

  it('leaves old rows and ids as they are and appends the new ones', async () => {
    mkdirSync(at('days'));
    await writeDay('days/1.parquet', ['a', 'a', 'b', 'b', 'a', 'x']);
    const glob = at('days', '*.parquet');
    const out = at('grown');
    await ingest(config(glob), { out });
    const dir = join(out, 'train');
    const before = parts(dir);
    const old = readDescription(dir);
    await writeDay('days/2.parquet', ['c', 'b', 'c', 'c', 'd', 'x', 'd'], 100);
    const { train } = await ingest(config(glob), { out, append: true });
    assert.deepEqual([train?.rows, train?.summary.rows, train?.reused], [13, 7, false]);
    for (const [name, bytes] of Object.entries(before)) assert.ok(bytes.equals(readFileSync(join(dir, name))), name);
    assert.deepEqual(Object.keys(parts(dir)), ['part-00000.arrow', 'part-00001.arrow']);
    const columns = readColumns(dir);
    // a, b were known; c (3 times) and d (2) are new; x is too rare in either log.
    assert.deepEqual(columns['feature.city'], [1, 1, 2, 2, 1, 0, 3, 2, 3, 3, 4, 0, 4]);
    assert.deepEqual(train?.summary.vocabularies, [{ table: 'city', values: 4, added: 2, refused: 0 }]);
    assert.equal(train?.featureMap.tables[0]?.rows, 5);
    assert.deepEqual(train?.featureMap.features, (await ingest(config(glob), { out })).train?.featureMap.features);
    const requests = columns['role.request'] as number[];
    assert.deepEqual(requests, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
    const users = columns['role.user'] as number[];
    const oldUsers = new Set(users.slice(0, 6));
    assert.ok(
      users.slice(6).every((code) => !oldUsers.has(code)),
      'codes of appended rows are their own',
    );
    const description = readDescription(dir);
    assert.notEqual(description.fingerprint, old.fingerprint);
    assert.deepEqual([description.rows, description.requests, description.ingests.length], [13, 7, 2]);
    assert.deepEqual(
      description.sources.map(({ path }) => path),
      [at('days', '1.parquet'), at('days', '2.parquet')],
    );
    const standardized = columns['feature.d'] as number[];
    const mean = 2.5;
    const deviation = Math.sqrt([0, 1, 2, 3, 4, 5].reduce((sum, x) => sum + (x - mean) ** 2, 0) / 6);
    assert.ok(Math.abs((standardized[12] ?? 0) - (106 - mean) / deviation) < 1e-4, 'old statistics hold for new rows');
    openDataset(dir).close();
  });

  it('has nothing to do without new files, and reads nothing again afterwards', async () => {
    const [out, glob] = [at('grown'), at('days', '*.parquet')];
    const before = readFileSync(join(out, 'train', 'dataset.json'));
    assert.equal((await ingest(config(glob), { out, append: true })).train?.reused, true);
    assert.equal((await ingest(config(glob), { out })).train?.reused, true);
    assert.ok(before.equals(readFileSync(join(out, 'train', 'dataset.json'))));
  });

  it('fills a table up to its capacity and counts what found no room', async () => {
    const first = await writeDay('c1.parquet', ['a', 'a', 'b', 'b']);
    const second = await writeDay('c2.parquet', ['c', 'c', 'c', 'd', 'd', 'e', 'e', 'a'], 10);
    const out = at('full');
    const { train } = await ingest(config([first], 4), { out });
    assert.equal(train?.featureMap.tables[0]?.rows, 4);
    const grown = (await ingest(config([first, second], 4), { out, append: true })).train;
    assert.equal(grown?.featureMap.tables[0]?.rows, 4);
    assert.deepEqual(grown?.summary.vocabularies, [{ table: 'city', values: 3, added: 1, refused: 2 }]);
    assert.deepEqual((readColumns(join(out, 'train'))['feature.city'] ?? []).slice(4), [3, 3, 3, 0, 0, 0, 0, 1]);
    const city = grown?.summary.features.find(({ name }) => name === 'city');
    assert.deepEqual([city?.ids, city?.outOfVocabulary], [8, 4]);
  });

  it('starts a dataset where there is none, and appends to evaluation rows with the training ids', async () => {
    const [one, two] = [await writeDay('e1.parquet', ['a', 'a', 'b']), await writeDay('e2.parquet', ['a', 'b', 'b'])];
    const out = at('both');
    const first = await ingest(config([one], undefined, { eval: [one] }), { out, append: true });
    assert.deepEqual([first.train?.rows, first.eval?.rows], [3, 3]);
    const second = await ingest(config([one, two], undefined, { eval: [one, two] }), { out, append: true });
    assert.deepEqual([second.train?.rows, second.eval?.rows], [6, 6]);
    assert.deepEqual(readColumns(join(out, 'eval'))['feature.city'], [1, 1, 0, 1, 2, 2]);
  });

  it('refuses other settings, changed files and SQL', async () => {
    const first = await writeDay('r1.parquet', ['a', 'a']);
    const second = await writeDay('r2.parquet', ['b', 'b']);
    const out = at('refused');
    await ingest(config([first]), { out });
    const append = (given: Parameters<typeof ingest>[0]) => ingest(given, { out, append: true });
    await assert.rejects(
      append(config([first, second], undefined, { nulls: 'drop' })),
      prerankError('CONFIG_INVALID', /made with other settings \(.*nulls: "default" → "drop"/),
    );
    await assert.rejects(
      append(config({ sql: `SELECT * FROM '${first}'` })),
      prerankError('CONFIG_INVALID', /SQL does not tell new rows from old ones/),
    );
    utimesSync(first, new Date(), new Date(2001, 1, 1));
    await assert.rejects(
      append(config([first, second])),
      prerankError('DATASET_CHANGED', /r1\.parquet: changed since/),
    );
  });

  it('is the old dataset until dataset.json is there, and can be appended to again', async () => {
    const first = await writeDay('k1.parquet', ['a', 'a', 'b', 'b']);
    const second = await writeDay('k2.parquet', ['c', 'c'], 10);
    const [whole, killed] = [at('whole'), at('killed')];
    for (const out of [whole, killed]) await ingest(config([first]), { out });
    const description = readFileSync(join(killed, 'train', 'dataset.json'));
    await ingest(config([first, second]), { out: whole, append: true });
    // What a kill just before the last rename leaves: new part files and the longer vocabulary.
    await ingest(config([first, second]), { out: killed, append: true });
    writeFileSync(join(killed, 'train', 'dataset.json'), description);
    const old = openDataset(join(killed, 'train'));
    assert.equal(old.rows, 4);
    assert.deepEqual(old.features.tables[0]?.rows, 3);
    old.close();
    await ingest(config([first, second]), { out: killed, append: true });
    const names = readdirSync(join(whole, 'train')).sort();
    assert.deepEqual(readdirSync(join(killed, 'train')).sort(), names);
    for (const name of names.filter((file) => file !== 'rejects.jsonl')) {
      assert.equal(
        readFileSync(join(killed, 'train', name), 'latin1'),
        readFileSync(join(whole, 'train', name), 'latin1'),
        name,
      );
    }
  });
});
