/** Broken rules of a configuration, and how they are reported. */

/** A rule broken at a path of the configuration. */
export interface ConfigProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type Report = (path: readonly (string | number)[], message: string) => void;

/** The value without the members that are undefined. */
export function without<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
