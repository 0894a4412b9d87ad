/** Reads a configuration: defaults < file < `--set path=value` < programmatic overrides. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isNode, LineCounter, parseDocument, stringify } from 'yaml';
import type { z } from 'zod';
import { PrerankError } from '../base/errors.js';
import { fillFromDataset } from './dataset-source.js';
import { applySetting, isPlainObject, mergeOverrides, type PlainObject } from './override.js';
import { absolutePath } from './paths.js';
import type { ConfigProblem } from './problems.js';
import { resolveConfig } from './resolve.js';
import { type ConfigInput, configSchema } from './schema.js';
import type { ResolvedConfig } from './types.js';

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [key in keyof T]?: DeepPartial<T[key]> }
    : T;

export type ConfigOverrides = DeepPartial<ConfigInput>;

export interface LoadConfigOptions {
  /** `path=value` pairs; the value is read as YAML. Relative data paths start at the working directory. */
  readonly set?: readonly string[];
  /** Merged over everything else; lists are replaced whole. */
  readonly overrides?: ConfigOverrides;
}

/** A configuration file in memory, with what is needed to name the line of a problem. */
interface ConfigFile {
  readonly path: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

type Path = readonly (string | number)[];

/** `data.features.user[2].transform` */
export function formatPath(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );
}

function readFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(cause);
    throw new PrerankError(
      'CONFIG_INVALID',
      `cannot read the configuration ${path}: ${reason}`,
      { file: path },
      { cause },
    );
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error) {
    const line = error.linePos?.[0].line;
    const message = error.message.split('\n')[0] ?? error.message;
    throw new PrerankError('CONFIG_INVALID', `${path}: no valid YAML: ${message}`, { file: path, row: line ?? 1 });
  }
  return { path, document, lines };
}

/** Line of the deepest node of `path` that the file has. */
function lineOf(file: ConfigFile, path: Path): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const node = file.document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return file.lines.linePos(node.range[0]).line;
  }
  return undefined;
}

/** Data paths of one layer made absolute, so that each layer's paths start where its author stood. */
function anchorPaths(config: unknown, directory: string): unknown {
  if (!isPlainObject(config) || !isPlainObject(config.data)) return config;
  const data: PlainObject = { ...config.data };
  for (const key of ['train', 'eval']) {
    const source = data[key];
    if (typeof source === 'string') data[key] = absolutePath(source, directory);
    else if (Array.isArray(source)) {
      data[key] = source.map((item: unknown) => (typeof item === 'string' ? absolutePath(item, directory) : item));
    } else if (isPlainObject(source) && (typeof source.sql === 'string' || typeof source.file === 'string')) {
      const { directory: own, file } = source;
      data[key] = {
        ...source,
        ...(typeof file === 'string' && { file: resolve(directory, file) }),
        directory: typeof own === 'string' ? resolve(directory, own) : directory,
      };
    }
  }
  return { ...config, data };
}

function zodProblems(error: z.ZodError): ConfigProblem[] {
  return error.issues.map((issue) => ({
    path: issue.path.map((key) => (typeof key === 'number' ? key : String(key))),
    message: issue.message,
  }));
}

const SHOWN_PROBLEMS = 10;

function failWith(problems: readonly ConfigProblem[], file: ConfigFile | undefined): never {
  const describe = ({ path, message }: ConfigProblem): string => {
    const line = file && lineOf(file, path);
    const place = file ? `${file.path}${line === undefined ? '' : `:${line}`}: ` : '';
    return `${place}${formatPath(path) || 'configuration'}: ${message}`;
  };
  const shown = problems.slice(0, SHOWN_PROBLEMS).map(describe);
  const hidden = problems.length - shown.length;
  if (hidden > 0) shown.push(`… and ${hidden} more problems`);
  const where = { ...(file && { file: file.path }), path: formatPath(problems[0]?.path ?? []) };
  throw new PrerankError('CONFIG_INVALID', shown.join('\n'), where);
}

export interface ConfigLayers<Schema extends z.ZodType> {
  readonly schema: Schema;
  /** What lies under the source: its values hold where the source says nothing. */
  readonly base?: PlainObject;
  readonly set?: readonly string[];
  readonly overrides?: object;
  /** Makes the paths of one layer absolute; `directory` is where its author stood. */
  readonly anchor?: (config: unknown, directory: string) => unknown;
  /** Adds what other files say to the layers together. */
  readonly complete?: (config: unknown) => unknown;
}

export interface CheckedConfig<Value> {
  readonly value: Value;
  /** Folder of the file, or the working directory. */
  readonly directory: string;
  /** Throws CONFIG_INVALID naming file, line and path of every problem. */
  readonly fail: (problems: readonly ConfigProblem[]) => never;
}

/**
 * Reads a configuration of any schema: base < source < `set` < overrides.
 *
 * @param source path of a YAML file, or the configuration itself.
 * @throws PrerankError CONFIG_INVALID naming file, line and configuration path of every problem; USAGE.
 */
export function checkConfig<Schema extends z.ZodType>(
  source: string | object,
  layers: ConfigLayers<Schema>,
): CheckedConfig<z.output<Schema>> {
  const { schema, base, set = [], overrides, anchor = (config) => config, complete = (config) => config } = layers;
  const file = typeof source === 'string' ? readFile(source) : undefined;
  const fail = (problems: readonly ConfigProblem[]): never => failWith(problems, file);
  const content: unknown = file ? file.document.toJS() : source;
  const directory = file ? dirname(resolve(file.path)) : process.cwd();
  const given = anchor(content ?? {}, directory);
  if (!isPlainObject(given)) return fail([{ path: [], message: 'expected a mapping of keys to values' }]);
  let config: PlainObject = base === undefined ? given : mergeOverrides(base, given);
  for (const setting of set) config = applySetting(config, setting);
  if (overrides) config = mergeOverrides(config, overrides);
  const parsed = schema.safeParse(complete(anchor(config, process.cwd())));
  if (!parsed.success) return fail(zodProblems(parsed.error));
  return { value: parsed.data, directory, fail };
}

/**
 * Loads, checks and completes a configuration.
 *
 * @param source path of a YAML file, or the configuration itself.
 * @throws PrerankError CONFIG_INVALID naming file, line and configuration path of every problem.
 */
export function loadConfig(source: string | ConfigInput, options: LoadConfigOptions = {}): ResolvedConfig {
  const checked = checkConfig(source, {
    ...options,
    schema: configSchema,
    anchor: anchorPaths,
    complete: fillFromDataset,
  });
  const problems: ConfigProblem[] = [];
  const resolved = resolveConfig(checked.value, checked.directory, problems);
  if (problems.length > 0) checked.fail(problems);
  return resolved;
}

/** The text of `config.resolved.yaml`: read back it gives the same configuration. */
export function toYaml(config: ResolvedConfig): string {
  return stringify(config, { lineWidth: 120, aliasDuplicateObjects: false });
}
