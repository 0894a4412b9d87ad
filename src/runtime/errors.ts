/** Errors of the addon as `PrerankError`. */
import { type ErrorCode, PrerankError } from '../base/errors.js';

/** Codes the addon gives (`code_name` in `native/base/status.cc`); all are codes of the library. */
const NATIVE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'OUT_OF_RANGE',
  'NOT_FOUND',
  'IO_ERROR',
  'DATASET_CHANGED',
  'DATASET_CORRUPT',
  'OUT_OF_MEMORY',
  'CANCELLED',
  'NON_FINITE',
  'UNSUPPORTED',
  'INTERNAL',
]);

function isNativeCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && NATIVE_CODES.has(code);
}

/**
 * An error thrown or rejected by the addon as a `PrerankError` with the same code; what is none of the addon's
 * errors becomes `INTERNAL`. A `PrerankError` is returned as it is.
 */
export function fromNativeError(error: unknown): PrerankError {
  if (error instanceof PrerankError) return error;
  if (error instanceof Error) {
    const code: unknown = 'code' in error ? error.code : undefined;
    return new PrerankError(isNativeCode(code) ? code : 'INTERNAL', error.message, {}, { cause: error });
  }
  return new PrerankError('INTERNAL', `the native core threw ${String(error)}`);
}

/** Calls into the addon; its errors leave as `PrerankError`. */
export function callNative<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNativeError(error);
  }
}

/** Awaits a promise of the addon; its errors leave as `PrerankError`. */
export async function awaitNative<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNativeError(error);
  }
}
