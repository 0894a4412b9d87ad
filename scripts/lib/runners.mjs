/** The two test runners and what they report about themselves. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { testProgram } from '../native-build.mjs';
import { runTestFiles } from './mocha-pool.mjs';
import { run } from './process.mjs';
import { ROOT } from './root.mjs';
import { filesUnder } from './stamp.mjs';

/**
 * @typedef {{passed: number, failed: string[], skipped: {name: string, reason: string}[]}} Results
 */

const REPORTS = join(ROOT, 'build-test', 'reports');

function freshReport(name) {
  mkdirSync(REPORTS, { recursive: true });
  const path = join(REPORTS, name);
  rmSync(path, { force: true });
  return path;
}

/** A runner that ended badly without naming a failed test (a crash, a failing hook) is one failure more. */
function withCrash(results, runner, status) {
  if (status === 0 || results.failed.length > 0) return results;
  return { ...results, failed: [`${runner} ended with status ${status}`] };
}

function unescapeXml(text) {
  const named = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-fA-F]+)|(\w+));/g, (whole, hex, name) =>
    hex === undefined ? (named[name] ?? whole) : String.fromCodePoint(Number.parseInt(hex, 16)),
  );
}

/** Reads GoogleTest's XML report (its JSON one leaves out why a test was skipped). */
export function parseGoogleTest(xml) {
  const results = { passed: 0, failed: [], skipped: [] };
  for (const [, attributes, , body = ''] of xml.matchAll(/<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const attribute = (name) => unescapeXml(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '');
    const name = `${attribute('classname')}.${attribute('name')}`;
    if (attribute('status') === 'notrun') results.skipped.push({ name, reason: 'disabled' });
    else if (body.includes('<failure')) results.failed.push(name);
    else if (attribute('result') === 'skipped') {
      const message = unescapeXml(/<skipped message="([^"]*)"/.exec(body)?.[1] ?? '');
      results.skipped.push({ name, reason: message.split('\n').slice(1).join(' ').trim() || 'no reason given' });
    } else results.passed += 1;
  }
  return results;
}

/** Runs the C++ tests one program after the other. @returns {Promise<Results>} */
export async function runGoogleTests({ full }) {
  const sum = { passed: 0, failed: [], skipped: [] };
  for (const name of full ? ['prerank_tests', 'prerank_cuda_tests'] : ['prerank_tests']) {
    const { passed, failed, skipped } = await runGoogleTest(name);
    sum.passed += passed;
    sum.failed.push(...failed);
    sum.skipped.push(...skipped);
  }
  return sum;
}

/** @returns {Promise<Results>} */
async function runGoogleTest(name) {
  const program = testProgram(name);
  if (program === undefined) return { passed: 0, failed: [`${name}: the program was not built`], skipped: [] };
  const report = freshReport(`${name}.xml`);
  const status = await run(program, ['--gtest_brief=1', `--gtest_output=xml:${report}`], { cwd: ROOT });
  const results = existsSync(report)
    ? parseGoogleTest(readFileSync(report, 'utf8'))
    : { passed: 0, failed: [], skipped: [] };
  return withCrash(results, name, status);
}

/** Folders with the longest test files: they start first, so that no process is left alone with one at the end. */
const LONG = ['full', 'cuda', 'faults', 'cli', 'kit', 'cascade', 'data', 'bench'];

/** Folders whose tests are long. */
const FULL = new Set(['full', 'cuda', 'faults']);

/** The compiled test files, long ones first. */
function testFiles({ full }) {
  const root = join(ROOT, 'build-test', 'test');
  const folderOf = (file) => relative(root, file).split(sep)[0];
  const rank = (file) => {
    const at = LONG.indexOf(folderOf(file));
    return at < 0 ? LONG.length : at;
  };
  return filesUnder(root)
    .filter((file) => file.endsWith('.test.js') && (full || !FULL.has(folderOf(file))))
    .sort((a, b) => rank(a) - rank(b));
}

/**
 * @param {{full: boolean}} options full: the long tests of test/full, test/faults and test/cuda, too
 * @returns {Promise<Results>}
 */
export async function runMocha({ full }) {
  const files = testFiles({ full });
  if (files.length === 0) return { passed: 0, failed: ['build-test/test holds no tests'], skipped: [] };
  return runTestFiles(files, { timeout: full ? 600_000 : 60_000 });
}
