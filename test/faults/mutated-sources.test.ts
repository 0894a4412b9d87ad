import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Field, Int32, List, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { PrerankError } from '../../src/base/errors.js';
import { loadConfig } from '../../src/config/load.js';
import { ingest } from '../../src/data/ingest.js';
import { temporaryFolder, writeLog } from '../data/support/logs.js';

const MUTANTS = 100;
const ROWS = 3000;

/** Multiplicative congruential numbers in [0, 1): the same mutants everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** What may be changed so that a reader can notice. */
interface Target {
  readonly name: string;
  readonly bytes: Buffer;
  /** Ranges of bytes that are no plain values: any change there must be found, or change nothing. */
  readonly structure: readonly (readonly [number, number])[];
}

interface Mutant {
  readonly description: string;
  readonly bytes: Buffer;
}

/** A cut anywhere, or up to three changed bytes of the structure. */
function mutate({ bytes, structure }: Target, random: () => number): Mutant {
  if (random() < 0.25) {
    const length = Math.floor(random() * bytes.length);
    return { description: `cut to ${length} bytes`, bytes: bytes.subarray(0, length) };
  }
  const mutated = Buffer.from(bytes);
  const places: string[] = [];
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const [from, to] = structure[Math.floor(random() * structure.length)] ?? [0, bytes.length];
    const at = from + Math.floor(random() * (to - from));
    const value = Math.floor(random() * 256);
    mutated[at] = value;
    places.push(`byte ${at} = ${value}`);
  }
  return { description: places.join(', '), bytes: mutated };
}

/** The encoded files of a dataset, by name. */
function encodedBytes(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.arrow'));
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name))]));
}

function sameFiles(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([name, bytes]) => b.get(name)?.equals(bytes));
}

describe('damaged sources', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const at = (name: string): string => join(folder.path, name);

  const configOf = (path: string) => ({
    data: {
      train: path,
      columns: { request: 'request_id', click: 'click' },
      features: {
        user: [{ name: 'user_id', kind: 'categorical' as const, vocabulary: { minFrequency: 1 } }],
        ad: [
          { name: 'topics', kind: 'multi' as const, hash: { buckets: 1000 } },
          { name: 'x', kind: 'dense' as const, transform: 'none' as const },
        ],
      },
    },
    model: { kind: 'two-tower' as const },
    tasks: { ctr: { label: 'click' } },
  });

  async function encode(path: string): Promise<Map<string, Buffer>> {
    const out = at('dataset');
    rmSync(out, { recursive: true, force: true });
    await ingest(loadConfig(configOf(path)), { out });
    return encodedBytes(join(out, 'train'));
  }

  async function survives(target: Target, seed: number): Promise<void> {
    const path = at(target.name);
    writeFileSync(path, target.bytes);
    const expected = await encode(path);
    const random = generator(seed);
    let refused = 0;
    for (let i = 0; i < MUTANTS; i++) {
      const { description, bytes } = mutate(target, random);
      writeFileSync(path, bytes);
      const what = `mutant ${i} of ${target.name} (${description})`;
      try {
        const found = await encode(path);
        assert.ok(sameFiles(found, expected), `${what} gives other values without an error`);
      } catch (error) {
        if (!(error instanceof PrerankError)) throw error;
        refused++;
        assert.ok(error.isInputError, `${what}: ${error.code} is no error of the input: ${error.message}`);
        const says = `${error.message} ${JSON.stringify(error.where)}`;
        assert.ok(says.includes(target.name), `${what}: the message names no file: ${error.message}`);
      }
    }
    assert.ok(refused > MUTANTS / 4, `only ${refused} mutants were refused`);
  }

  it(`${MUTANTS} damaged Parquet files end in an error that names the file, or in the same values`, async () => {
    const path = await writeLog(
      at('source.parquet'),
      `SELECT i // 10 AS request_id, 'user ' || (i // 10 * 7) % 83 AS user_id, (hash(i) % 1000)::FLOAT AS x,
              [i % 13, i % 7] AS topics, (i % 3 = 0)::INTEGER AS click FROM range(${ROWS}) t(i)`,
    );
    const bytes = readFileSync(path);
    const footer = bytes.readUInt32LE(bytes.length - 8) + 8;
    await survives(
      {
        name: 'mutant.parquet',
        bytes,
        structure: [
          [0, 4],
          [bytes.length - footer, bytes.length],
        ],
      },
      11,
    );
  });

  it(`${MUTANTS} damaged Arrow files end in an error that names the file, or in the same values`, async () => {
    const index = Array.from({ length: ROWS }, (_, i) => i);
    const topics = new List(new Field('item', new Int32(), false));
    const table = new Table({
      request_id: vectorFromArray(Int32Array.from(index, (i) => Math.floor(i / 10))),
      user_id: vectorFromArray(
        index.map((i) => `user ${(Math.floor(i / 10) * 7) % 83}`),
        new Utf8(),
      ),
      x: vectorFromArray(Float32Array.from(index, (i) => (i * 37) % 1000)),
      topics: vectorFromArray(
        index.map((i) => [i % 13, i % 7]),
        topics,
      ),
      click: vectorFromArray(Int32Array.from(index, (i) => (i % 3 === 0 ? 1 : 0))),
    });
    const bytes = Buffer.from(tableToIPC(table, 'file'));
    const footer = bytes.readInt32LE(bytes.length - 10) + 10;
    const schema = bytes.readInt32LE(12) + 16;
    await survives(
      {
        name: 'mutant.arrow',
        bytes,
        structure: [
          [0, schema],
          [bytes.length - footer, bytes.length],
        ],
      },
      23,
    );
  });
});
