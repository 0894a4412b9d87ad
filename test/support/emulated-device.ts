/** The emulated CUDA device of the tests (native/test/cuda/emulator): the CUDA library compiled for the processor. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { packageRoot } from '../../src/runtime/load.js';
import { skip } from './skip.js';

const LIBRARY = join(packageRoot(), 'build', 'Release', 'libprerank_cuda_emulated.so');
const VARIABLES = ['PRERANK_CUDA_LIBRARY', 'PRERANK_CUBLASLT', 'PRERANK_EMULATED_DEVICE', 'PRERANK_EMULATED_FASTEST'];

/** What child processes need to see the device. */
export const EMULATED_DEVICE = { PRERANK_CUDA_LIBRARY: LIBRARY, PRERANK_CUBLASLT: LIBRARY } as const;

/**
 * Gives this process the device, until leaveEmulatedDevice(). With PRERANK_TEST_GPU=1 tests that need no particular
 * emulated device run on the machine's own GPU instead.
 * @param device as PRERANK_EMULATED_DEVICE of native/test/cuda/emulator/device.cc: `none`, `old-driver`, `memory=BYTES`
 */
export function useEmulatedDevice(context: Context, device?: string): void {
  if (process.env.PRERANK_TEST_GPU === '1') {
    if (device !== undefined) skip(context, 'for the emulated device only');
    return;
  }
  if (!existsSync(LIBRARY)) skip(context, 'the native core was built without tests, so without the emulated device');
  Object.assign(process.env, EMULATED_DEVICE);
  if (device !== undefined) process.env.PRERANK_EMULATED_DEVICE = device;
}

export function leaveEmulatedDevice(): void {
  if (process.env.PRERANK_TEST_GPU === '1') return;
  for (const name of VARIABLES) delete process.env[name];
}
