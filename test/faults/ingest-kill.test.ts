import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prerank, prerankLimited, sampleConfig, startPrerank, writeConfig, writeLogs } from '../support/sample-run.js';

const KILLS = 20;
const ROWS = { train: 80_000, eval: 8_000 };

/** Every file under a folder by its relative path. */
function filesOf(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

function assertSameFiles(folder: string, expected: ReadonlyMap<string, Buffer>): void {
  const files = filesOf(folder);
  assert.deepEqual([...files.keys()], [...expected.keys()]);
  for (const [name, bytes] of expected) assert.ok(files.get(name)?.equals(bytes), `${name} differs`);
}

describe('an ingest that is killed', function () {
  this.timeout(180_000);
  let folder: string;
  let config: string;
  let expected: Map<string, Buffer>;
  /** When a whole ingest begins to write, and when it ends: milliseconds after its start. */
  let begin: number;
  let end: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prerank-ingest-kill-'));
    await writeLogs(folder, ROWS);
    config = await writeConfig(folder, sampleConfig(folder));
    const whole = join(folder, 'whole');
    const start = performance.now();
    const { child, exit } = startPrerank('ingest', config, '--out', whole);
    while (!existsSync(whole)) {
      assert.equal(child.exitCode, null, 'it ended before it began to write');
      await sleep(2);
    }
    begin = performance.now() - start;
    const { status, stderr } = await exit;
    end = performance.now() - start;
    assert.equal(status, 0, stderr);
    expected = filesOf(whole);
  });
  after(() => rm(folder, { recursive: true }));

  it(`leaves nothing that looks finished, ${KILLS} times; then a clean ingest gives identical bytes`, async () => {
    const parent = join(folder, 'killed');
    const out = join(parent, 'dataset');
    let interrupted = 0;
    let pace = 1;
    for (let i = 0; i < KILLS; i++) {
      const { child, exit } = startPrerank('ingest', config, '--out', out);
      // Spread over the time in which a whole ingest writes, and a little before.
      await sleep(pace * (0.9 * begin + (end - 0.9 * begin) * (i / KILLS)));
      child.kill('SIGKILL');
      const ended = (await exit).status !== null;
      if (!ended) interrupted++;
      for (const split of ['train', 'eval']) {
        if (!existsSync(join(out, split, 'dataset.json'))) continue;
        for (const [name, bytes] of expected) {
          if (!name.startsWith(split)) continue;
          assert.ok(readFileSync(join(out, name)).equals(bytes), `${name} looks finished and is not`);
        }
      }
      // The machine may be faster now than when a whole ingest was timed.
      if (ended) pace *= 0.8;
      // A finished dataset would not be made again.
      if (ended || i % 4 === 3) rmSync(out, { recursive: true, force: true });
    }
    assert.ok(interrupted >= KILLS / 2, `only ${interrupted} of ${KILLS} were interrupted`);
    const { status, stderr } = prerank('ingest', config, '--out', out);
    assert.equal(status, 0, stderr);
    assertSameFiles(out, expected);
    assert.deepEqual(readdirSync(parent), ['dataset'], 'what killed ingests left is gone');
  });

  it('exits with 130 on SIGINT and leaves no file', async () => {
    const parent = join(folder, 'interrupted');
    const out = join(parent, 'dataset');
    const { child, exit } = startPrerank('ingest', config, '--out', out);
    while (!existsSync(parent) || readdirSync(parent).length === 0) {
      assert.equal(child.exitCode, null, 'it ended before it began to write');
      await sleep(2);
    }
    child.kill('SIGINT');
    const { status, stderr } = await exit;
    assert.equal(status, 130, stderr);
    assert.deepEqual([...filesOf(parent).keys()], []);
  });
});

describe('an ingest whose disk is full', function () {
  this.timeout(60_000);

  it('exits with 1 and IO_ERROR, names the file, and leaves nothing that looks finished', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'prerank-ingest-full-'));
    try {
      await writeLogs(folder, { train: 40_000, eval: 1024 });
      const config = await writeConfig(folder, sampleConfig(folder));
      const out = join(folder, 'dataset');
      // No file of this process may grow beyond 1 MiB: writing fails as on a full disk.
      const { status, stderr, stdout } = prerankLimited(2048, 'ingest', config, '--out', out, '--json');
      assert.equal(status, 1, stderr);
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
      assert.equal(error.code, 'IO_ERROR', error.message);
      assert.match(error.message, /\.arrow: cannot write: File too large/);
      assert.ok(!existsSync(join(out, 'train', 'dataset.json')));
      const again = prerank('ingest', config, '--out', out);
      assert.equal(again.status, 0, again.stderr);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
