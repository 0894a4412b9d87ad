import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTextDurable } from '../../src/base/files.js';
import { didYouMean, listNames, nearest } from '../../src/base/suggest.js';

describe('writeTextDurable', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prerank-files-'));
  after(() => rmSync(folder, { recursive: true }));

  it('makes the folder, replaces the file and leaves nothing else', async () => {
    const path = join(folder, 'a/b/file.json');
    await writeTextDurable(path, 'one');
    await writeTextDurable(path, 'two');
    assert.equal(readFileSync(path, 'utf8'), 'two');
    assert.deepEqual(readdirSync(join(folder, 'a/b')), ['file.json']);
  });

  it('leaves no temporary file when it fails', async () => {
    mkdirSync(join(folder, 'taken/inside'), { recursive: true });
    await assert.rejects(writeTextDurable(join(folder, 'taken'), 'x'));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('.tmp')),
      [],
    );
  });
});

describe('suggestions', () => {
  it('finds slips of the keyboard and nothing far away', () => {
    assert.equal(nearest('clcik', ['impression', 'click', 'stage']), 'click');
    assert.equal(nearest('Shuffle', ['shuffle']), 'shuffle');
    assert.equal(nearest('zebra', ['impression', 'click']), undefined);
    assert.equal(didYouMean('epoch', ['epochs', 'steps']), ' Did you mean "epochs"?');
    assert.equal(didYouMean('zebra', ['click']), '');
  });

  it('shortens long lists', () => {
    assert.equal(listNames(['a', 'b']), 'a, b');
    assert.equal(listNames(['a', 'b', 'c'], 2), 'a, b, … (3 in all)');
  });
});
