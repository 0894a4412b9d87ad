/** Parsers of option values. */
import { InvalidArgumentError } from 'commander';

/** Collects a repeated option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number <= 0) {
    throw new InvalidArgumentError('expected a whole number above 0');
  }
  return number;
}

/** Of a variadic option. */
export function positiveIntegers(value: string, previous: readonly number[] = []): number[] {
  return [...previous, positiveInteger(value)];
}

/** `last`, `best` or a step. */
export type CheckpointName = 'last' | 'best' | number;

export function checkpointName(value: string): CheckpointName {
  if (value === 'last' || value === 'best') {
    return value;
  }
  const step = Number(value);
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new InvalidArgumentError('expected last, best or the step of a checkpoint');
  }
  return step;
}

/** Of a variadic option. */
export function checkpointNames(value: string, previous: readonly CheckpointName[] = []): CheckpointName[] {
  return [...previous, checkpointName(value)];
}

export function nonNegativeInteger(value: string): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new InvalidArgumentError('expected a whole number, not negative');
  }
  return number;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `2GiB`, `500 MB` or a number of bytes. */
export function byteCount(value: string): number {
  const [, number = '', unit = ''] = /^([\d.]+)\s*([A-Za-z]*)$/.exec(value.trim()) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit] ?? Number.NaN));
  if (number === '' || !Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new InvalidArgumentError('expected a size such as 2GiB or 512MiB');
  }
  return bytes;
}

export function splitName(value: string): 'train' | 'eval' {
  if (value === 'train' || value === 'eval') {
    return value;
  }
  throw new InvalidArgumentError('expected train or eval');
}

/** `auto`, `cpu` or `cuda:N`. */
export function deviceName(value: string): string {
  if (/^(auto|cpu|cuda:\d{1,3})$/.test(value)) return value;
  throw new InvalidArgumentError('expected auto, cpu or cuda:N');
}
