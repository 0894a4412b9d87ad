/** The result of an experiment as Markdown. */
import type { ExperimentResult, StudyResult } from './experiment.js';
import { armsCells, type Cells, curveCells, rowsCells, summaryLine } from './tables.js';

function table({ head, rows }: Cells): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function section(study: StudyResult): string {
  const { title, text, rows, curves } = study;
  const parts = curves.flatMap((curve) => [`${curve.title}:`, table(curveCells(curve))]);
  return [`## ${title}`, text, table(rowsCells(rows)), ...parts, table(armsCells(study))].join('\n\n');
}

/** A section for each study; the last line says how many required rows hold. */
export function markdownReport(result: ExperimentResult): string {
  return [...result.studies.map(section), summaryLine(result)].join('\n\n');
}
