/** Arrow files through the addon's stageArrow. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { loadAddon } from '../../../src/runtime/load.js';

const require = createRequire(import.meta.url);

/** Path of the shared library of the npm package. */
export function duckdbLibrary(): string {
  const bindings = createRequire(require.resolve('@duckdb/node-bindings'));
  return bindings.resolve(`@duckdb/node-bindings-${process.platform}-${process.arch}/libduckdb.so`);
}

/** Writes the files' rows to a Parquet file with the columns __file and __row; returns their number. */
export function stage(paths: readonly string[], output: string): Promise<number> {
  return loadAddon().stageArrow({
    library: duckdbLibrary(),
    setup: ['SET threads = 2'],
    paths,
    output,
    fileColumn: '__file',
    rowColumn: '__row',
    memoryBytes: 2 ** 28,
  });
}

/** For assert.rejects: an error of the addon with this code whose message matches. */
export function nativeError(code: string | RegExp, message: RegExp): (error: Error & { code?: unknown }) => true {
  return (error) => {
    if (typeof code === 'string') assert.equal(error.code, code, error.message);
    else assert.match(String(error.code), code, error.message);
    assert.match(error.message, message);
    return true;
  };
}
