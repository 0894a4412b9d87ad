/** The reference pages say what the code does: every configuration key with its default, every error code. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type ErrorCode, PrerankError } from '../../src/base/errors.js';
import { simulationSchema } from '../../src/cascade/config.js';
import { configSchema } from '../../src/config/schema.js';
import { schemaKeys, tableRows, testKeys } from './keys.js';

const page = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

/** The first fenced block of a language. */
const block = (markdown: string, language: string): string =>
  new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(markdown)?.[1] ?? '';

/** The page describes what is alike once: the features of all sides, the schedules, both logs. */
function rowOf(path: string): string {
  return path
    .replace(/^data\.features\.(user|ad|context)\[\]/, 'data.features[]')
    .replace(/^training\.(sparse|dense)Optimizer\.schedule\./, 'training.schedule.')
    .replace(/^data\.eval\./, 'data.train.')
    .replace(/^data\.train\.files\.<task>/, 'data.train.files.<table>');
}

describe('docs/config.md', () => {
  testKeys(tableRows(page('config.md')), schemaKeys(configSchema, rowOf), 90);
});

describe('docs/simulate.md', () => {
  const rowOf = (path: string): string =>
    path.replace(/^drift\[\]\.events\[\]/, 'quality.events[]').replace('<task>', '<event>');
  testKeys(tableRows(page('simulate.md')), schemaKeys(simulationSchema, rowOf), 50);
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
    'data/recipes/README.md',
    'docs/config.md',
    'docs/errors.md',
    'docs/ab.md',
    'docs/framework.md',
    'docs/models.md',
    'docs/evaluate.md',
    'docs/simulate.md',
    'docs/gpu.md',
    'docs/serving.md',
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
