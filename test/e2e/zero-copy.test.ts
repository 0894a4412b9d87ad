import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { type Dataset, openEncoded } from '../../src/data/dataset.js';
import { encodeDataset } from '../../src/data/encode.js';
import { loadAddon } from '../../src/runtime/load.js';
import { type Addon, type LoaderSpec, REPLAY_FIGURES } from '../../src/runtime/native.js';
import { assembleModel, createStore } from '../../src/train/assemble.js';
import { replayScores } from '../../src/train/replay.js';
import { resolveTasks } from '../../src/train/tasks.js';
import { sampleConfig, writeLogs } from '../support/sample-run.js';
import { skip } from '../support/skip.js';

const ROWS = 4096;
const MAPS = '/proc/self/maps';

/** Address ranges at which this process has mapped files below a folder. */
async function mappedRanges(folder: string): Promise<{ first: bigint; last: bigint }[]> {
  const lines = (await readFile(MAPS, 'utf8')).split('\n');
  return lines
    .filter((line) => line.includes(folder))
    .map((line) => {
      const [first = '0', last = '0'] = (line.split(' ')[0] ?? '').split('-');
      return { first: BigInt(`0x${first}`), last: BigInt(`0x${last}`) };
    });
}

describe('from the encoded log to the batch', () => {
  let folder: string;
  let addon: Addon;
  let data: Dataset;
  let gathered: { rows: number; bytesGathered: number };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-zero-copy-'));
    addon = loadAddon();
    await writeLogs(folder, { train: ROWS, eval: 8 });
    const config = loadConfig(sampleConfig(folder));
    const outDir = join(folder, 'encoded');
    await encodeDataset({ config, split: 'train', outDir });
    data = openEncoded(outDir, addon);
    const { training } = assembleModel(config, data.features);
    const tasks = resolveTasks(config, data.features, data.columns).map(({ source }) => source);
    const { dense, ids } = training;
    const spec: LoaderSpec = {
      batchSize: 100,
      shuffle: 'full',
      seed: 1,
      epochs: 1,
      threads: 2,
      training: true,
      dense,
      ids,
      tasks,
    };
    const store = createStore(addon, config, training.parameters, true);
    const program = new addon.Program(training.plan, store, { threads: 2, capacity: 100, seed: 1 });
    const loader = new addon.Loader(data.native, spec);
    const steps = loader.batchesPerEpoch;
    const zero = new Float64Array(steps);
    await program.run(loader, { firstStep: 0, denseLr: zero, sparseLr: zero });
    gathered = loader.stats();
  });
  after(async () => {
    data?.close();
    await rm(folder, { recursive: true });
  });

  it('every column that batch assembly sees lies inside the mapped files', async function () {
    const ranges = await mappedRanges(folder).catch(() => skip(this, `no ${MAPS} on this system`));
    const buffers = data.native.addresses();
    assert.ok(buffers.length >= data.columns.size);
    for (const { column, address, bytes } of buffers) {
      const inside = ranges.some(({ first, last }) => address >= first && address + BigInt(bytes) <= last);
      assert.ok(inside, `${column} is not in the mapping`);
    }
  });

  it('a replay over the mapped columns allocates nothing by row', async () => {
    const early = 'role.bid';
    const read = data.native
      .addresses()
      .filter(({ column }) => ['role.request', 'role.finalTotalValue', early].includes(column));
    assert.equal(
      read.reduce((sum, { bytes }) => sum + bytes, 0),
      3 * Float32Array.BYTES_PER_ELEMENT * ROWS,
    );
    const before = process.memoryUsage().arrayBuffers;
    const { values } = await replayScores({ set: data, metrics: addon.metrics, early, k: 3, wanted: ['softRecall'] });
    assert.equal(values.requests, ROWS / 8);
    const figures = (ROWS / 8) * (REPLAY_FIGURES.length + 1) * Float64Array.BYTES_PER_ELEMENT;
    assert.ok(process.memoryUsage().arrayBuffers - before <= 3 * figures);
  });

  it('a batch takes each byte it needs once', () => {
    const topics = data.native.addresses().filter(({ column }) => column === 'feature.topics');
    const ids = topics.reduce((sum, { bytes }) => sum + bytes, 0) - (ROWS + 1) * Int32Array.BYTES_PER_ELEMENT;
    const scalars = { dense: 1, ids: 2, labels: 3 };
    const columns = scalars.dense + scalars.ids + scalars.labels;
    const shown = ROWS * Uint8Array.BYTES_PER_ELEMENT;
    const bags = ROWS * Uint32Array.BYTES_PER_ELEMENT;
    assert.equal(gathered.rows, ROWS);
    assert.equal(gathered.bytesGathered, ROWS * columns * Float32Array.BYTES_PER_ELEMENT + ids + bags + shown);
  });
});
