/** The measured part of docs/performance.md as Markdown, from the files in bench/results. What was not measured is left out. */
import { markdownTable as table } from './markdown.mjs';

const fixed = (value, digits = 1) => value.toFixed(digits);
const ms = (seconds, digits = 1) => fixed(seconds * 1e3, digits);

/** A hyphen would read as a minus. */
const range = (low, high) => `${fixed(low, 2)}–${fixed(high, 2)}`;

const VARIANTS = { eager: 'stock', onednn: 'oneDNN linears', bf16: 'bf16 autocast' };

/** A row for each variant of PyTorch that a side was measured against. */
function peersTable(results) {
  const rows = Object.values(results)
    .filter((result) => result.bench === 'peers')
    .flatMap(({ config, batch, threads, sparse, tables, matmul, modes }) =>
      Object.entries(modes).flatMap(([mode, [ours, ...others]]) =>
        others.map((side) => [
          `\`${config}\``,
          batch,
          `${sparse}${tables === 'float32' ? '' : `, ${tables}`}${matmul === 'bfloat16' ? ', products too' : ''}`,
          threads,
          mode,
          fixed(ours.samplesPerSecond / 1e3),
          VARIANTS[side.name] ?? side.name,
          fixed(side.samplesPerSecond / 1e3),
          `**${fixed(side.ratio, 2)}** (${range(side.ratioLow, side.ratioHigh)})`,
        ]),
      ),
    );
  const head = ['step', 'batch', 'tables', 'threads', 'loading', 'prerank, k/s', 'PyTorch', 'k/s', 'ratio'];
  return rows.length === 0 ? '' : `${table(head, rows)}\n`;
}

function floorTable({ roof, steps }, results) {
  const rows = steps.map(({ config, batch, flops, distinct, ids, seconds, floor }) => {
    const step = results[`step-${config}`]?.step.p50;
    return [
      `\`${config}\``,
      batch,
      fixed(flops / 1e9),
      `${fixed(ids / 1e3, 0)} k, ${fixed(distinct / 1e3, 0)} k`,
      ms(seconds.products),
      ms(seconds.lookups + seconds.updates),
      ms(floor),
      step === undefined ? '' : ms(step),
      step === undefined ? '' : fixed(step / floor, 2),
    ];
  });
  const { read, copy } = roof.bandwidth.at(-1);
  const head = [
    'step',
    'batch',
    'GFLOP',
    'ids, distinct',
    'products, ms',
    'rows, ms',
    'floor, ms',
    'step, ms',
    'step / floor',
  ];
  return [
    `Roof: ${fixed(roof.flops / 1e9, 0)} GFLOP/s float32, ${fixed(roof.products.float32 / 1e9, 0)} in products of dense layers, ${fixed(roof.products.bfloat16 / 1e9, 0)} where those are of bfloat16; ${fixed(read / 1e9)} GB/s read and ${fixed(copy / 1e9)} GB/s copied from memory.`,
    '',
    table(head, rows),
    '',
  ].join('\n');
}

/** Milliseconds of a step by kind of operation. */
function byKind({ operations }) {
  const kinds = new Map();
  for (const { kind, secondsPerStep } of operations) kinds.set(kind, (kinds.get(kind) ?? 0) + secondsPerStep);
  return kinds;
}

function operationsTable(results) {
  const steps = Object.values(results).filter((result) => result.bench === 'step' && result.threads === 1);
  if (steps.length === 0) return '';
  const kinds = steps.map(byKind);
  const names = [...new Set(kinds.flatMap((map) => [...map.keys()]))];
  const share = (name) => Math.max(...kinds.map((map, i) => (map.get(name) ?? 0) / steps[i].step.p50));
  const shown = names.filter((name) => share(name) >= 0.005).sort((a, b) => share(b) - share(a));
  const rest = kinds.map((map) =>
    [...map].reduce((sum, [name, value]) => (shown.includes(name) ? sum : sum + value), 0),
  );
  const rows = [
    ...shown.map((name) => [`\`${name}\``, ...kinds.map((map) => (map.has(name) ? ms(map.get(name), 2) : ''))]),
    ['the rest', ...rest.map((value) => ms(value, 2))],
    ['loader: gather', ...steps.map(({ loader }) => ms(loader.gatherSeconds, 2))],
    ['loader: sort', ...steps.map(({ loader }) => ms(loader.indexSeconds, 2))],
    ['**step, median**', ...steps.map(({ step }) => ms(step.p50, 2))],
  ];
  return `${table(['milliseconds', ...steps.map(({ config }) => `\`${config}\``)], rows)}\n`;
}

function threadsText(results) {
  const lines = [];
  if (results['two-cores'] !== undefined) {
    const { ratio } = results['two-cores'];
    lines.push(
      `Two processes, one on each processor, do ${fixed(ratio.flops, 2)} times the multiply-adds of one alone and copy ${fixed(ratio.copy, 2)} times as much: no program can gain more from a second thread.`,
    );
  }
  const rows = Object.values(results).flatMap((one) => {
    const two = one.bench === 'step' && one.threads === 1 ? results[`step-${one.config}-2-threads`] : undefined;
    if (two === undefined) return [];
    const gain = two.samplesPerSecond / one.samplesPerSecond;
    const thousands = [one, two].map(({ samplesPerSecond }) => fixed(samplesPerSecond / 1e3));
    return [[`\`${one.config}\``, ...thousands, fixed(gain, 2), `${fixed(two.loader.waitShare * 100)} %`]];
  });
  if (rows.length > 0) {
    lines.push('', table(['step', 'one thread, k/s', 'two, k/s', 'gain', 'waiting for data'], rows));
  }
  return `${lines.join('\n')}\n`;
}

function serveTable({ ads, adVectors, results }) {
  const rows = results.map(({ vectors, threads, requestsPerCall, tp50, tp99, qps }) => [
    vectors,
    threads,
    requestsPerCall,
    fixed(tp50, 2),
    fixed(tp99, 2),
    fixed(qps, 0),
  ]);
  const head = ["ads' vectors", 'threads', `requests of ${ads} ads a call`, 'TP50, ms', 'TP99, ms', 'requests/s'];
  const { width, adsPerSecond } = adVectors;
  return [
    table(head, rows),
    '',
    `A kept vector is ${width} numbers; one core computes ${fixed(adsPerSecond / 1e3, 0)} k of them a second.`,
    '',
  ].join('\n');
}

export function renderPerformance(results) {
  const peer = Object.values(results).find((result) => result.bench === 'peers');
  const parts = [];
  if (peer !== undefined) {
    const loads = Object.values(results).flatMap(({ environment }) =>
      environment === undefined ? [] : [environment.load],
    );
    parts.push(
      '## Against PyTorch',
      '',
      `PyTorch ${peer.torch}, ${peer.environment.isa}, ${peer.date.slice(0, 10)}, load of the machine when measurements began ${fixed(Math.min(...loads))}–${fixed(Math.max(...loads))}.`,
      'Ratio: how many times as fast prerank is, median over the rounds and their range.',
      '',
      peersTable(results),
    );
  }
  if (results.floor !== undefined) parts.push('## The floor', '', floorTable(results.floor, results));
  parts.push('## Time by operation, one core', '', operationsTable(results));
  parts.push('## Two threads', '', threadsText(results));
  if (results.serve !== undefined) parts.push('## Serving', '', serveTable(results.serve));
  if (results.instructions !== undefined) {
    const { config, batch, instructionsPerSample } = results.instructions;
    parts.push(
      '## Instructions',
      '',
      `\`${config}\`: ${Math.round(instructionsPerSample)} instructions a sample in steps of the core (callgrind, AVX2, ${batch} rows a step).`,
      '',
    );
  }
  return `${parts.join('\n')}`;
}
