/** The reference pages say what the code does: every configuration key with its default, every error code. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { type ErrorCode, PrerankError } from '../../src/base/errors.js';
import { configSchema } from '../../src/config/schema.js';

const page = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

/** The first fenced block of a language. */
const block = (markdown: string, language: string): string =>
  new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(markdown)?.[1] ?? '';

/** Rows of all Markdown tables whose first cell is `code`, by that code. */
function tableRows(markdown: string): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const line of markdown.split('\n')) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const key = /^`(.+)`$/.exec(cells[1] ?? '')?.[1];
    if (key === undefined) continue;
    assert.ok(!rows.has(key), `${key} has two rows`);
    rows.set(key, cells.slice(2, -1));
  }
  return rows;
}

interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

interface Key {
  /** Has no keys below it in one of its forms, so that it needs a row. */
  leaf: boolean;
  readonly defaults: unknown[];
  readonly choices: Set<unknown>;
}

const alternatives = (node: SchemaNode): readonly SchemaNode[] => node.anyOf ?? node.oneOf ?? [node];

/** What lies below a node: one form of it is an object or a list of objects. */
function children(node: SchemaNode): [string, SchemaNode][] {
  if (node.properties !== undefined) return Object.entries(node.properties).map(([name, child]) => [`.${name}`, child]);
  if (typeof node.additionalProperties === 'object') return [['.<task>', node.additionalProperties]];
  return node.items !== undefined && isObject(node.items) ? [['[]', node.items]] : [];
}

function isObject(node: SchemaNode): boolean {
  return alternatives(node).some((form) => form.properties !== undefined);
}

function choicesOf(form: SchemaNode): readonly unknown[] {
  return [...(form.enum ?? []), ...(form.const === undefined ? [] : [form.const]), ...(form.items?.enum ?? [])];
}

/** The page describes what is alike once: the features of all sides, the schedules, both logs. */
function rowOf(path: string): string {
  return path
    .replace(/^data\.features\.(user|ad|context)\[\]/, 'data.features[]')
    .replace(/^training\.(sparse|dense)Optimizer\.schedule\./, 'training.schedule.')
    .replace(/^data\.eval\./, 'data.train.');
}

function collect(node: SchemaNode, path: string, keys: Map<string, Key>): void {
  for (const form of alternatives(node)) {
    for (const [step, child] of children(form)) {
      const childPath = rowOf(`${path}${step}`.replace(/^\./, ''));
      const key = keys.get(childPath) ?? { leaf: false, defaults: [], choices: new Set() };
      keys.set(childPath, key);
      const forms = alternatives(child);
      key.leaf ||= forms.some((childForm) => children(childForm).length === 0);
      if (child.default !== undefined) key.defaults.push(child.default);
      for (const choice of forms.flatMap(choicesOf)) key.choices.add(choice);
      collect(child, childPath, keys);
    }
  }
}

describe('docs/config.md', () => {
  const rows = tableRows(page('config.md'));
  const keys = new Map<string, Key>();
  collect(z.toJSONSchema(configSchema, { io: 'output', unrepresentable: 'any' }) as SchemaNode, '', keys);

  it('has a row for every key of the schema', () => {
    const leaves = [...keys].filter(([, key]) => key.leaf).map(([path]) => path);
    assert.ok(leaves.length > 90, `${leaves.length} keys found`);
    assert.deepEqual(
      leaves.filter((path) => !rows.has(path)),
      [],
    );
  });

  it('has no row for a key that does not exist', () => {
    assert.deepEqual(
      [...rows.keys()].filter((path) => !keys.has(path)),
      [],
    );
  });

  it("gives the schema's defaults", () => {
    for (const [path, [, cell = '']] of rows) {
      for (const value of keys.get(path)?.defaults ?? []) {
        assert.deepEqual(parse(/^`(.*)`$/.exec(cell)?.[1] ?? ''), value, path);
      }
    }
  });

  it('names every choice of a key', () => {
    for (const [path, cells] of rows) {
      const text = cells.join(' ');
      const missing = [...(keys.get(path)?.choices ?? [])].filter((choice) => !text.includes(`\`${choice}\``));
      assert.deepEqual(missing, [], path);
    }
  });
});

describe('README.md', () => {
  const readme = page('../README.md');

  it('shows the configuration of the own-logs example', () => {
    const example = page('../examples/02-own-logs/config.yaml');
    assert.deepEqual(parse(block(readme, 'yaml')), parse(example));
  });
});

describe('docs/errors.md', () => {
  const source = readFileSync(new URL('../../../src/base/errors.ts', import.meta.url), 'utf8');
  const union = source.slice(source.indexOf('export type ErrorCode'), source.indexOf(';', source.indexOf('ErrorCode')));
  const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1] as ErrorCode);
  const markdown = page('errors.md');

  it('has a row for every code, and for no other', () => {
    assert.ok(codes.length > 20);
    assert.deepEqual([...tableRows(markdown).keys()].sort(), [...codes].sort());
  });

  it('puts each code under its exit code', () => {
    const [, input = ''] = markdown.split(/^## /m);
    const listed = [...tableRows(input).keys()].sort();
    assert.deepEqual(listed, codes.filter((code) => new PrerankError(code, '').isInputError).sort());
  });
});

describe('pages', () => {
  const pages = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'data/README.md',
    'docs/config.md',
    'docs/errors.md',
  ];

  for (const name of pages) {
    it(`${name} links to files and headings that exist`, () => {
      const path = new URL(`../../../${name}`, import.meta.url);
      const markdown = readFileSync(path, 'utf8');
      const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      );
      const links = [...markdown.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map((match) => match[1] ?? '');
      const exists = (link: string): boolean =>
        link.startsWith('#') ? headings.includes(link.slice(1)) : existsSync(new URL(link, path));
      assert.deepEqual(
        links.filter((link) => !exists(link)),
        [],
      );
    });
  }
});
