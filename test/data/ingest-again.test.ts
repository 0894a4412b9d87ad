/** What an ingest reuses, what changes while it reads, and what it leaves behind. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { ingest } from '../../src/data/index.js';
import { configOf, type DataInput, prerankError, temporaryFolder, writeLog } from './support/logs.js';
import { COLUMNS, config, LOG } from './support/small-log.js';

describe('ingest: again, changed, stopped', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const at = (...names: string[]): string => join(folder.path, ...names);
  let parquet = '';

  before(async () => {
    parquet = await writeLog(at('log.parquet'), LOG);
  });

  it('does not read an unchanged log again, and notices a changed one', async () => {
    const copy = await writeLog(at('copy.parquet'), LOG);
    const run = async (data: Partial<DataInput> = {}) =>
      (await ingest(config({ train: copy, split: { by: 'hash' }, ...data }), { out: at('again') })).train;
    const first = await run();
    assert.equal(first?.reused, false);
    const inode = statSync(at('again', 'train')).ino;
    const second = await ingest(config({ train: copy, split: { by: 'hash' } }), { out: at('again') });
    assert.deepEqual([second.train?.reused, second.eval?.reused], [true, true]);
    assert.equal(statSync(at('again', 'train')).ino, inode);
    utimesSync(copy, new Date(), new Date(2001, 1, 1));
    const touched = await run();
    assert.deepEqual([touched?.reused, touched?.fingerprint], [false, first?.fingerprint]);
    assert.equal((await run({ nulls: 'drop' }))?.reused, false);
  });

  it('notices sources that change while they are read, requests or none', async () => {
    const other = await writeLog(at('other.parquet'), LOG.replace('% 37', '% 36'));
    const lines = await writeLog(at('lines.jsonl'), LOG);
    const json = await writeLog(at('other.jsonl'), LOG.replace('% 37', '% 36'));
    const { request: _, ...withoutRequests } = COLUMNS;
    const garble = (path: string): void => writeFileSync(path, Buffer.alloc(statSync(path).size, 7));
    const changes: [string, (path: string) => void, Partial<DataInput>][] = [
      ['same.parquet', (path) => copyFileSync(other, path), { columns: withoutRequests }],
      ['same.parquet', (path) => copyFileSync(other, path), {}],
      ['touched.parquet', (path) => utimesSync(path, new Date(), new Date(2001, 1, 1)), { columns: withoutRequests }],
      ['gone.parquet', (path) => rmSync(path), { columns: withoutRequests }],
      ['garbled.parquet', garble, { columns: withoutRequests }],
      ['same.jsonl', (path) => copyFileSync(json, path), { columns: withoutRequests }],
    ];
    for (const [name, change, data] of changes) {
      const path = at(name);
      copyFileSync(name.endsWith('parquet') ? parquet : lines, path);
      let changed = false;
      const onProgress = (): void => {
        if (!changed) change(path);
        changed = true;
      };
      await assert.rejects(
        ingest(config({ train: path, ...data }), { out: at('changed'), onProgress }),
        prerankError('DATASET_CHANGED', /(same|touched|gone|garbled)\.\w+: changed while it was read/),
        name,
      );
      assert.deepEqual(readdirSync(at('changed')), [], name);
    }
  });

  it('removes what a killed ingest left, and nothing that is no dataset', async () => {
    const left = at('left', 'train.tmp-999999999-0');
    mkdirSync(join(left, 'dataset'), { recursive: true });
    writeFileSync(join(left, 'dataset', 'part-00000.arrow'), 'x');
    await ingest(config({ train: parquet }), { out: at('left') });
    assert.deepEqual(readdirSync(at('left')), ['train']);
    mkdirSync(at('mine', 'train'), { recursive: true });
    writeFileSync(at('mine', 'train', 'thesis.txt'), 'x');
    await assert.rejects(
      ingest(config({ train: parquet }), { out: at('mine') }),
      prerankError('INVALID_ARGUMENT', /holds "thesis\.txt"/),
    );
    assert.ok(existsSync(at('mine', 'train', 'thesis.txt')));
  });

  it('stops when it is told to, and leaves no trace', async () => {
    for (const train of [parquet, await writeLog(at('log.jsonl'), LOG)]) {
      const stop = new AbortController();
      const onProgress = (): void => stop.abort();
      await assert.rejects(
        ingest(config({ train }), { out: at('stopped'), signal: stop.signal, onProgress }),
        prerankError('CANCELLED'),
      );
      assert.deepEqual(readdirSync(at('stopped')), []);
    }
  });

  it('stops while it stages Arrow files', async () => {
    const one = at('one.arrow');
    const rows = 400_000;
    const columns = { click: new Uint8Array(rows), id: Int32Array.from({ length: rows }, (_, i) => i) };
    writeFileSync(one, tableToIPC(tableFromArrays(columns), 'stream'));
    mkdirSync(at('many'));
    // Far more than can be staged before the file that it goes to is seen.
    for (let i = 0; i < 2000; i += 1) symlinkSync(one, at('many', `${i}.arrow`));
    const stop = new AbortController();
    const out = at('staged');
    const staging = (): boolean =>
      readdirSync(out, { recursive: true }).some((name) => /arrow-0\.parquet/.test(`${name}`));
    const done = ingest(
      configOf({
        train: at('many', '*.arrow'),
        columns: { click: 'click' },
        features: { ad: [{ name: 'id', kind: 'categorical', hash: { buckets: 10 } }] },
      }),
      { out, signal: stop.signal },
    );
    const stopped = assert.rejects(done, prerankError('CANCELLED', /reading Arrow files was cancelled/));
    while (!(existsSync(out) && staging())) await sleep(1);
    stop.abort();
    await stopped;
    assert.deepEqual(readdirSync(out), []);
  });
});
