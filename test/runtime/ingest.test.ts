/** The addon's side of the ingest: what goes in and out, and how it ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { loadAddon } from '../../src/runtime/load.js';
import type { IngestSpec, LogSource, ProfileSpec } from '../../src/runtime/native.js';
import { duckdbLibrary } from '../data/support/arrow-stage.js';
import { blockChecksum } from '../support/block-checksum.js';

const addon = loadAddon();
const HUGE = 1e12;

/** Rows [from, to) of the number line: row, request of 7 rows, id, list of ids, number. */
function rows(from: number, to: number): LogSource['parts'][number] {
  const sql = `SELECT i, i // 7, i % 100, [i % 3, i % 5], i::DOUBLE FROM range(${from}, ${to}) t(i)`;
  return { queries: [{ sql, origin: 'numbers' }], rows: to - from, headRows: 0 };
}

function profileSpec(parts: LogSource['parts']): ProfileSpec {
  return {
    source: { library: duckdbLibrary(), setup: [], parts },
    rowInput: 0,
    requestInput: 1,
    timeInput: 0,
    momentInputs: [4],
    momentLog1p: [false],
    threads: 2,
    memoryBytes: 2 ** 29,
  };
}

describe('the native ingest', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'prerank-ingest-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function ingestSpec(parts: LogSource['parts']): IngestSpec {
    const id = { multi: false, nulls: 'default', ofRequest: false } as const;
    const table = { type: 'int', values: [], minFrequency: 1, capacity: 0 } as const;
    return {
      source: { library: duckdbLibrary(), setup: [], parts },
      rowInput: 0,
      requestInput: 1,
      numbers: [{ input: 4, output: 'label.y', type: 'float32', rule: 'finite', nullable: true, label: 'y' }],
      dense: [],
      ids: [
        { ...id, input: 2, output: 'feature.tag', table: 0, label: 'tag', source: 'tag' },
        { ...id, multi: true, input: 3, output: 'feature.tags', table: 1, label: 'tags', source: 'tags' },
      ],
      codes: [{ input: 1, output: 'role.request', role: 'request', first: 0, label: 'request' }],
      tables: [
        { ...table, name: 'tag', buckets: 50, learn: false },
        { ...table, name: 'tags', buckets: 0, learn: true },
      ],
      outputOrder: ['role.request', 'feature.tag', 'feature.tags', 'label.y'],
      sampling: {
        seed: 0,
        augment: false,
        pool: 'mixed',
        perRequest: 0,
        rate: 1,
        stageRates: [],
        weightByInverseRate: false,
        weightOutput: '',
        splitFraction: -1,
        splitKeepBelow: true,
      },
      duplicates: 'keep',
      maxBad: 0,
      folder,
      threads: 2,
      memoryBytes: 2 ** 29,
    };
  }

  it('profiles a log', async () => {
    const profile = await addon.profileLog(profileSpec([rows(0, 5000), rows(5000, 9000)]));
    assert.deepEqual(profile.parts, [
      { rows: 5000, headRows: 0 },
      { rows: 4000, headRows: 5 },
    ]);
    assert.equal(profile.rows, 9000);
    assert.equal(profile.requests, 1286);
    assert.equal(profile.requestsTogether, true);
    assert.equal(profile.chronological, true);
    assert.deepEqual(
      profile.moments.map((m) => [m.mean, m.count]),
      [[4499.5, 9000]],
    );
  });

  it('writes files and says what they hold', async () => {
    const ingest = new addon.Ingest(ingestSpec([rows(0, 5000), { ...rows(5000, 9000), headRows: 5 }]));
    const result = await ingest.run();
    assert.equal(result.rows, 9000);
    assert.equal(result.requests, 1286);
    assert.equal(result.tooManyBad, false);
    assert.deepEqual(result.rejects, []);
    assert.deepEqual(
      result.files.map((file) => [file.name, file.rows]),
      [
        ['part-00000.arrow', 5005],
        ['part-00001.arrow', 3995],
      ],
    );
    for (const file of result.files) {
      const bytes = readFileSync(join(folder, file.name));
      assert.equal(bytes.length, file.bytes);
      for (const batch of file.batches) {
        const message = bytes.subarray(batch.offset, batch.offset + batch.bytes);
        assert.equal(batch.checksum, blockChecksum(addon, message));
      }
    }
    assert.equal(result.tables[1]?.valuesJson, '["0","1","2","3","4"]');
    assert.equal(result.tables[1]?.values, 5);
    assert.equal(result.features[0]?.output, 'feature.tag');
    assert.equal(result.features[1]?.ids, 18000);
    assert.deepEqual(ingest.progress(), { rowsRead: 9000, rowsWritten: 9000, partsDone: 2 });
    await assert.rejects(ingest.run(), { code: 'INVALID_ARGUMENT' });
  });

  it('rejects its promise when cancelled', async () => {
    const ingest = new addon.Ingest({
      ...ingestSpec([{ ...rows(0, 10), queries: rows(0, HUGE).queries }]),
      requestInput: undefined,
      codes: [],
      outputOrder: ['feature.tag', 'feature.tags', 'label.y'],
    });
    const running = ingest.run();
    while (ingest.progress().rowsRead === 0) await sleep(1);
    ingest.cancel();
    await assert.rejects(running, { code: 'CANCELLED' });
  });

  it('names what is wrong with a spec', () => {
    const spec = ingestSpec([rows(0, 10)]);
    assert.throws(() => new addon.Ingest({ ...spec, threads: 0 }), /IngestSpec\.threads/);
    assert.throws(
      () => new addon.Ingest({ ...spec, duplicates: 'some' as 'keep' }),
      /IngestSpec\.duplicates must be one of 'keep', 'drop', 'error'/,
    );
    assert.throws(() => new addon.Ingest({ ...spec, outputOrder: ['label.y'] }), { code: 'INVALID_ARGUMENT' });
  });

  it('ends with its worker thread, and so does a profile', async () => {
    const endless = [rows(0, HUGE)];
    for (const delay of [0, 20, 200]) {
      const data = { ingest: ingestSpec(endless), profile: profileSpec(endless) };
      const worker = new Worker(new URL('./ingest-worker.js', import.meta.url), { workerData: data });
      await once(worker, 'message');
      await sleep(delay);
      await worker.terminate();
      rmSync(folder, { recursive: true });
      folder = mkdtempSync(join(tmpdir(), 'prerank-ingest-'));
    }
  });
});
