/** Plots of an experiment as SVG, drawn by Vega without a browser. */
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { CurveResult, StudyResult } from './experiment.js';
import { METRIC_TEXTS } from './metric-names.js';

const CONTROL = '#9aa5b1';
const OURS = '#1f5fa8';
const PAPER = '#c0392b';
const FAILS = '#c77d0a';
const WIDTH = 460;

const CONFIG = {
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', gridColor: '#e8ecf0', labelLimit: 320 },
  title: { fontSize: 13, anchor: 'start' },
  legend: { labelFontSize: 12, labelLimit: 320, title: null },
} as const;

async function draw(spec: TopLevelSpec): Promise<string> {
  const { spec: compiled } = compile({ ...spec, config: CONFIG } as TopLevelSpec, { logger: vega.logger(vega.Error) });
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** The changes of one metric, ours with intervals and the paper's, for each metric of a study with its own scale. */
export async function changePlots({ rows }: StudyResult): Promise<string[]> {
  const metrics = [...new Set(rows.map(({ metric }) => metric))];
  return Promise.all(
    metrics.map((metric) => {
      const shown = rows.filter((row) => row.metric === metric && row.ours !== null);
      const percent = METRIC_TEXTS[metric].change === 'relative';
      const scale = (value: number | null): number | null => (value === null ? null : percent ? 100 * value : value);
      const values = shown.map(({ row, ours, low, high, paper, holds }) => ({
        row,
        ours: scale(ours),
        low: scale(low),
        high: scale(high),
        paper: typeof paper === 'number' ? scale(paper) : null,
        colour: holds === false ? FAILS : OURS,
      }));
      const x = {
        type: 'quantitative' as const,
        title: `change of ${METRIC_TEXTS[metric].title}${percent ? ', %' : ''}`,
        scale: { zero: true },
      };
      const y = { field: 'row', type: 'nominal' as const, sort: null, title: null };
      return draw({
        data: { values },
        width: WIDTH,
        height: { step: 26 },
        layer: [
          { mark: { type: 'rule', color: CONTROL }, encoding: { x: { datum: 0, ...x } } },
          {
            mark: { type: 'rule', strokeWidth: 2 },
            encoding: { y, x: { field: 'low', ...x }, x2: { field: 'high' }, color: { field: 'colour', scale: null } },
          },
          {
            mark: { type: 'point', filled: true, size: 60, opacity: 1 },
            encoding: { y, x: { field: 'ours', ...x }, color: { field: 'colour', scale: null } },
          },
          {
            transform: [{ filter: 'isValid(datum.paper)' }],
            mark: { type: 'point', shape: 'diamond', size: 70, color: PAPER, opacity: 1 },
            encoding: { y, x: { field: 'paper', ...x } },
          },
        ],
      });
    }),
  );
}

/** The first of the metrics shown, of every arm. */
export async function armsPlot({ arms, shown }: StudyResult): Promise<string> {
  const [metric] = shown;
  if (metric === undefined) return '';
  const worlds = new Set(arms.map(({ world }) => world));
  const values = arms.map(({ world, arm, values: of }) => ({
    arm: worlds.size > 1 ? `${world}: ${arm}` : arm,
    ...of[metric],
  }));
  const y = { field: 'arm', type: 'nominal' as const, sort: null, title: null };
  const x = { type: 'quantitative' as const, title: METRIC_TEXTS[metric].title, scale: { domain: [0, 1] } };
  return draw({
    data: { values },
    width: WIDTH,
    height: { step: 24 },
    layer: [
      { mark: { type: 'bar', color: OURS, opacity: 0.8 }, encoding: { y, x: { field: 'value', ...x } } },
      { mark: { type: 'rule' }, encoding: { y, x: { field: 'low', ...x }, x2: { field: 'high' } } },
    ],
  });
}

export async function curvePlot({ title, measure, x, series }: CurveResult): Promise<string> {
  const values = series.flatMap(({ name, points }) => points.map((point) => ({ name, ...point })));
  const shared = {
    x: { field: 'x', type: 'quantitative' as const, title: x },
    color: { field: 'name', type: 'nominal' as const },
  };
  const y = { type: 'quantitative' as const, title: METRIC_TEXTS[measure].title, scale: { zero: false } };
  return draw({
    title,
    data: { values },
    width: WIDTH,
    height: 260,
    layer: [
      {
        mark: { type: 'area', opacity: 0.15 },
        encoding: { ...shared, y: { field: 'low', ...y }, y2: { field: 'high' } },
      },
      { mark: { type: 'line', point: true }, encoding: { ...shared, y: { field: 'value', ...y } } },
    ],
  });
}
