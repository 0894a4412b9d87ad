/** The stream of requests: training log first, then evaluation, then replay. */
import type { SimulationConfig } from './config.js';

export const LOGS = ['train', 'eval', 'replay'] as const;

export type LogName = (typeof LOGS)[number];

/** Numbers of a log's requests: `from` … `to`, the last excluded. */
export function logRequests(
  { requests }: Pick<SimulationConfig, 'requests'>,
  log: LogName,
): { readonly from: number; readonly to: number } {
  const before = LOGS.slice(0, LOGS.indexOf(log)).reduce((sum, name) => sum + requests[name], 0);
  const from = requests.first + before;
  return { from, to: from + requests[log] };
}
