/** A comparison of serving as a Markdown table. */
import type { ModelServing, ServeModelsResult } from './serve-models.js';
import { thousands } from './text.js';

const ratio = (value: number | null | undefined): string => (value == null ? '' : value.toFixed(2));

function row({ model, qps, tp99, cpu, ratios, paperRatios }: ModelServing): string[] {
  return [
    model,
    thousands(qps),
    ratio(ratios?.qps),
    ratio(paperRatios?.qps),
    tp99.toFixed(3),
    ratio(ratios?.tp99),
    ratio(paperRatios?.tp99),
    cpu.toFixed(3),
    ratio(ratios?.cpu),
    ratio(paperRatios?.cpu),
  ];
}

export function formatServeModels({ ads, environment, models }: ServeModelsResult): string {
  const head = ['model', 'requests/s', 'ratio', 'paper', 'TP99, ms', 'ratio', 'paper', 'CPU, ms', 'ratio', 'paper'];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `1 user with ${ads} ads a request, one thread (${environment.cpu}, ${environment.isa})`,
    '',
    line(head),
    `|${'---|'.repeat(head.length)}`,
    ...models.map((model) => line(row(model))),
  ].join('\n');
}
