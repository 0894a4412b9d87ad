/** Parsers of option values. */
import { InvalidArgumentError } from 'commander';

/** Collects a repeated option. */
export function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number <= 0) {
    throw new InvalidArgumentError('expected a whole number above 0');
  }
  return number;
}

/** `last`, `best` or a step. */
export function checkpointName(value: string): 'last' | 'best' | number {
  if (value === 'last' || value === 'best') {
    return value;
  }
  const step = Number(value);
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new InvalidArgumentError('expected last, best or the step of a checkpoint');
  }
  return step;
}

export function nonNegativeInteger(value: string): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new InvalidArgumentError('expected a whole number, not negative');
  }
  return number;
}
