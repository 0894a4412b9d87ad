/** Compares the tables of a reference page with a schema. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { z } from 'zod';

/** Rows of all Markdown tables whose first cell is `code`, by that code. */
export function tableRows(markdown: string): Map<string, string[]> {
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

export interface SchemaNode {
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

export interface Key {
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

/** Adds every key below `node`; `rowOf` gives the row that describes a path. */
function collect(node: SchemaNode, path: string, rowOf: (path: string) => string, keys: Map<string, Key>): void {
  for (const form of alternatives(node)) {
    for (const [step, child] of children(form)) {
      const childPath = rowOf(`${path}${step}`.replace(/^\./, ''));
      const key = keys.get(childPath) ?? { leaf: false, defaults: [], choices: new Set() };
      keys.set(childPath, key);
      const forms = alternatives(child);
      key.leaf ||= forms.some((childForm) => children(childForm).length === 0);
      if (child.default !== undefined) key.defaults.push(child.default);
      for (const choice of forms.flatMap(choicesOf)) key.choices.add(choice);
      collect(child, childPath, rowOf, keys);
    }
  }
}

/** Every key of a schema by the path of its row. */
export function schemaKeys(schema: z.ZodType, rowOf: (path: string) => string = (path) => path): Map<string, Key> {
  const keys = new Map<string, Key>();
  collect(z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as SchemaNode, '', rowOf, keys);
  return keys;
}

/** Tests that a page's tables and a schema tell the same of keys, defaults and choices. */
export function testKeys(rows: ReadonlyMap<string, string[]>, keys: ReadonlyMap<string, Key>, atLeast: number): void {
  it('has a row for every key of the schema', () => {
    const leaves = [...keys].filter(([, key]) => key.leaf).map(([path]) => path);
    assert.ok(leaves.length > atLeast, `${leaves.length} keys found`);
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
}
