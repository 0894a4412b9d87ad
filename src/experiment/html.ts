/** The result of an experiment as one self-contained HTML page. */
import type { ExperimentResult, StudyResult } from './experiment.js';
import { armsPlot, changePlots, curvePlot } from './plots.js';
import { armsCells, type Cells, rowsCells, summaryLine } from './tables.js';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #e8ecf0; white-space: nowrap }
th { color: #5b6774; font-weight: 600 }
.holds { color: #1e7d3c } .fails { color: #b23b2e; font-weight: 600 }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start }
svg { max-width: 100%; height: auto }
.note { color: #5b6774; font-size: 13px }`;

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function cell(text: string): string {
  const emphasised = /^\*\*(.*)\*\*$/.exec(text)?.[1];
  const kind = /^holds/.test(emphasised ?? text) ? 'holds' : emphasised === undefined ? '' : 'fails';
  return `<td${kind === '' ? '' : ` class="${kind}"`}>${escapeHtml(emphasised ?? text)}</td>`;
}

function table({ head, rows }: Cells): string {
  const headRow = head.map((title) => `<th>${escapeHtml(title)}</th>`).join('');
  return `<table><tr>${headRow}</tr>${rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}</table>`;
}

async function section(study: StudyResult): Promise<string> {
  const changes = await changePlots(study);
  const curves = await Promise.all(study.curves.map(curvePlot));
  return [
    `<h2 id="${escapeHtml(study.name)}">${escapeHtml(study.title)}</h2>`,
    `<p>${escapeHtml(study.text)}</p>`,
    table(rowsCells(study.rows)),
    `<div class="plots">${[...curves, ...changes].join('\n')}</div>`,
    table(armsCells(study)),
    await armsPlot(study),
  ].join('\n');
}

const BASES: Readonly<Record<StudyResult['basis'], string>> = {
  requests: 'paired bootstrap over requests, stratified by seed',
  seeds: "Student's t over seeds, paired",
};

/** What the intervals of the studies are over. */
function bases({ studies }: ExperimentResult): string {
  return [...new Set(studies.map(({ basis }) => BASES[basis]))].join('; ');
}

export async function htmlReport(result: ExperimentResult): Promise<string> {
  const sections: string[] = [];
  for (const study of result.studies) sections.push(await section(study));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>prerank experiment</title><style>${STYLE}</style></head><body>
<h1>prerank experiment: ${escapeHtml(result.studies.map(({ name }) => name).join(', '))}</h1>
<p>${escapeHtml(summaryLine(result))}</p>
<p class="note">Plots: our change with its 95 % interval (${bases(result)}), orange where an expected sign
does not hold; diamonds: the paper's change.</p>
${sections.join('\n')}
</body></html>
`;
}
