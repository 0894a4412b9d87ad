/** Changes to a configuration before it is checked: `--set path=value` and programmatic overrides. */
import { parse } from 'yaml';
import { PrerankError } from '../base/errors.js';

export type PlainObject = { [key: string]: unknown };

export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `data.features.user[2].dim` → ['data', 'features', 'user', 2, 'dim'] */
function parsePath(text: string): (string | number)[] {
  const keys: (string | number)[] = [];
  for (const part of text.split('.')) {
    const match = /^([^[\]]+)((?:\[\d+\])*)$/.exec(part);
    if (!match) return [];
    keys.push(match[1] ?? '');
    for (const index of (match[2] ?? '').matchAll(/\d+/g)) keys.push(Number(index[0]));
  }
  return keys;
}

function removeKey(object: PlainObject, key: string): PlainObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

function setIn(target: unknown, keys: readonly (string | number)[], value: unknown): unknown {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  if (typeof key === 'number' || Array.isArray(target)) {
    const list: unknown[] = Array.isArray(target) ? [...target] : [];
    const index = Number(key);
    if (!Number.isInteger(index) || index < 0 || index > list.length) {
      throw new PrerankError('USAGE', `--set: the list has ${list.length} entries, no entry "${key}"`);
    }
    list[index] = setIn(list[index], rest, value);
    return list;
  }
  const object: PlainObject = isPlainObject(target) ? target : {};
  if (value === null && rest.length === 0) return removeKey(object, key);
  return { ...object, [key]: setIn(Object.hasOwn(object, key) ? object[key] : undefined, rest, value) };
}

/** A copy of `config` with one `path=value` setting applied; the value is read as YAML, null removes the key. */
export function applySetting(config: PlainObject, setting: string): PlainObject {
  const equals = setting.indexOf('=');
  const keys = equals > 0 ? parsePath(setting.slice(0, equals).trim()) : [];
  if (keys.length === 0) {
    throw new PrerankError('USAGE', `--set expects path=value, for example training.batchSize=1024; got "${setting}"`);
  }
  let value: unknown;
  try {
    value = parse(setting.slice(equals + 1));
  } catch (cause) {
    throw new PrerankError('USAGE', `--set ${setting}: the value is no valid YAML`, {}, { cause });
  }
  const changed = setIn(config, keys, value);
  return isPlainObject(changed) ? changed : config;
}

/** A copy of `config` with `overrides` merged in; lists and values are replaced, null removes a key, undefined is skipped. */
export function mergeOverrides(config: PlainObject, overrides: object): PlainObject {
  let merged: PlainObject = config;
  for (const [key, value] of Object.entries(overrides) as [string, unknown][]) {
    if (value === undefined) continue;
    const current = Object.hasOwn(merged, key) ? merged[key] : undefined;
    const next = isPlainObject(value) ? mergeOverrides(isPlainObject(current) ? current : {}, value) : value;
    merged = setIn(merged, [key], next) as PlainObject;
  }
  return merged;
}
