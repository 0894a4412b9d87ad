/** A serving benchmark as text. */
import { formatTable } from '../train/evaluation-result.js';
import type { ServeResult } from './serve.js';
import { thousands } from './text.js';

export function formatServe({ config, ads, environment, adVectors, results }: ServeResult): string {
  const rows = results.map(({ vectors, threads, requestsPerCall, qps, adsPerSecond, tp50, tp99 }) => [
    vectors,
    String(threads),
    String(requestsPerCall),
    thousands(qps),
    thousands(adsPerSecond),
    `${tp50.toFixed(3)} ms`,
    `${tp99.toFixed(3)} ms`,
  ]);
  return [
    `${config}: 1 user with ${ads} ads a request (${environment.cpu}, ${environment.isa})`,
    '',
    ...formatTable(["ads' vectors", 'threads', 'requests a call', 'requests/s', 'ads/s', 'TP50', 'TP99'], rows),
    ...(adVectors === null
      ? []
      : [
          '',
          `kept vectors are ${adVectors.width} numbers an ad; one core computes ${thousands(adVectors.adsPerSecond)} a second`,
        ]),
  ].join('\n');
}
