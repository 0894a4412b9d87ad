/** Where programs run: `auto`, `cpu` or `cuda:N` of the configuration, against what this machine has. */
import { PrerankError } from '../base/errors.js';
import type { Addon, DeviceSpec, MatmulPrecision } from './native.js';

/** `cpu`, or `cuda:N`. */
export type DeviceName = 'cpu' | `cuda:${number}`;

/**
 * The device that a configuration means: `auto` is the first GPU where programs can run on one, else the CPU.
 * @throws PrerankError DEVICE_UNAVAILABLE with what is missing, when a GPU is asked for by name.
 */
export function resolveDevice(addon: Addon, device: string): DeviceName {
  if (device === 'cpu') return 'cpu';
  const { missing, devices } = addon.cuda();
  if (device === 'auto') return missing === undefined ? 'cuda:0' : 'cpu';
  if (missing !== undefined) throw new PrerankError('DEVICE_UNAVAILABLE', `${device} cannot be used: ${missing}`);
  const number = deviceNumber(device);
  if (!devices.some((found) => found.number === number)) {
    const found = devices.map(({ number: other, name }) => `cuda:${other} (${name})`).join(', ');
    throw new PrerankError('DEVICE_UNAVAILABLE', `there is no ${device}; this machine has ${found}`);
  }
  return `cuda:${number}`;
}

/** Settings of a configuration's `training` that decide what a device does. */
interface DeviceSettings {
  readonly matmul: MatmulPrecision;
  readonly autotune?: boolean;
  readonly hostTableCache?: number | 'auto';
}

/**
 * The device of a store.
 * @throws PrerankError CONFIG_INVALID for what only GPUs have, on the CPU.
 */
export function deviceSpec(
  device: DeviceName,
  { matmul, autotune = false, hostTableCache = 'auto' }: DeviceSettings,
): DeviceSpec {
  if (device !== 'cpu') {
    const cache = hostTableCache === 'auto' ? {} : { tableCache: hostTableCache * 2 ** 20 };
    return { cuda: deviceNumber(device), matmul, autotune, ...cache };
  }
  if (matmul === 'tf32') throw needsGpu(`${matmul} products need`, 'matmul');
  if (autotune) throw needsGpu('choosing the algorithms of products by their time needs', 'autotune');
  return { matmul };
}

function needsGpu(what: string, key: string): PrerankError {
  return new PrerankError('CONFIG_INVALID', `${what} a GPU, and this run is on the CPU`, { path: `training.${key}` });
}

function deviceNumber(device: string): number {
  return Number(/^cuda:(\d+)$/.exec(device)?.[1] ?? 0);
}
