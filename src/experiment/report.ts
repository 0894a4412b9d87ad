/** The files that an experiment leaves: results as JSON, tables as Markdown, tables and plots as a page. */
import { join } from 'node:path';
import { writeJsonDurable, writeTextDurable } from '../base/files.js';
import { type ExperimentResult, resultRows } from './experiment.js';
import { htmlReport } from './html.js';
import { markdownReport } from './markdown.js';

export interface ReportFiles {
  readonly json: string;
  readonly markdown: string;
  readonly html: string;
}

export async function writeReports(result: ExperimentResult, out: string): Promise<ReportFiles> {
  const files = { json: join(out, 'report.json'), markdown: join(out, 'report.md'), html: join(out, 'report.html') };
  await writeJsonDurable(files.json, { ...result, rows: resultRows(result) });
  await writeTextDurable(files.markdown, `${markdownReport(result)}\n`);
  await writeTextDurable(files.html, await htmlReport(result));
  return files;
}
