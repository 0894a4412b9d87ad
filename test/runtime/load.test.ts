/** Loading the addon, and what is said when that fails. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrerankError } from '../../src/base/errors.js';
import { awaitNative, callNative, fromNativeError } from '../../src/runtime/errors.js';
import { loadAddon, loadAddonFrom } from '../../src/runtime/load.js';

describe('loading the native core', () => {
  it('gives the same addon every time, which says what it is', () => {
    assert.equal(loadAddon(), loadAddon());
    const info = loadAddon().info();
    assert.match(info.isa, /^(baseline|avx2|avx512|avx512bf16|amx)$/);
    assert.ok(info.kernels.includes('linear'));
    assert.ok(info.cores >= 1);
  });

  it('names the paths and the remedy when it is not built', () => {
    assert.throws(() => loadAddonFrom(['/nowhere/a.node', '/nowhere/b.node']), {
      name: 'PrerankError',
      code: 'ADDON_NOT_BUILT',
      message: /\/nowhere\/a\.node and \/nowhere\/b\.node.*npm run build/,
    });
  });

  it("names the loader's message and the remedy when it does not load", () => {
    const folder = mkdtempSync(join(tmpdir(), 'prerank-load-'));
    try {
      const path = join(folder, 'prerank.node');
      writeFileSync(path, 'no library');
      assert.throws(
        () => loadAddonFrom([path]),
        (error: unknown) => {
          assert.ok(error instanceof PrerankError);
          assert.equal(error.code, 'ADDON_NOT_BUILT');
          assert.equal(error.where.file, path);
          assert.match(error.message, /damaged or made for another processor/);
          return true;
        },
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('errors of the native core', () => {
  it('become PrerankErrors with the same code', async () => {
    const native = Object.assign(new Error('too far'), { code: 'OUT_OF_RANGE' });
    const converted = fromNativeError(native);
    assert.equal(converted.code, 'OUT_OF_RANGE');
    assert.equal(converted.cause, native);
    assert.equal(fromNativeError(converted), converted);
    assert.equal(fromNativeError(new TypeError('other')).code, 'INTERNAL');
    const fail = () => {
      throw native;
    };
    assert.throws(() => callNative(fail), { name: 'PrerankError', code: 'OUT_OF_RANGE' });
    await assert.rejects(
      awaitNative(async () => fail()),
      { name: 'PrerankError', code: 'OUT_OF_RANGE' },
    );
  });
});
