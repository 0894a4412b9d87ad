/** What an arm came to on each request: columns of sums, from which every metric and its bootstrap are made. */

/** Over complete requests that the arm drove through the cascade. */
export const CASCADE_COLUMNS = [
  /** Soft recall of the request, and 1 where it is defined. */
  'soft',
  'softDefined',
  /** Ads passed on that are in the golden set, and its size. */
  'hits',
  'golden',
  'impressions',
  /** Expected at the true probabilities, on the impressions. */
  'clicks',
  'conversions',
  'crossOuts',
  /** Survey score as the final stage estimates it, and where it does; total value by the final stage, on the impressions. */
  'survey',
  'surveyed',
  'value',
  /** |final − early total value| and |final total value| of the ads passed on. */
  'difference',
  'size',
  /** Drawn, on the impressions. */
  'sampledClicks',
  'sampledConversions',
  'sampledCrossOuts',
] as const;

/** Over logged rows of held-out requests: impressions in CTR traffic, then all rows. */
export const HELD_OUT_COLUMNS = ['loss', 'judged', 'clicked', 'predicted', 'squared', 'rows'] as const;

export type CascadeColumn = (typeof CASCADE_COLUMNS)[number];
export type HeldOutColumn = (typeof HELD_OUT_COLUMNS)[number];
export type SumColumn = CascadeColumn | HeldOutColumn;

/** Which requests a column is of. */
export type RequestSet = 'cascade' | 'heldOut';

/** [requests of the set] each. */
export interface RequestSums {
  readonly cascade: Readonly<Record<CascadeColumn, Float64Array>>;
  readonly heldOut: Readonly<Record<HeldOutColumn, Float64Array>>;
}

function columns<Name extends string>(names: readonly Name[], requests: number): Record<Name, Float64Array> {
  return Object.fromEntries(names.map((name) => [name, new Float64Array(requests)])) as Record<Name, Float64Array>;
}

/** All zero. */
export function emptyRequestSums(requests: Readonly<Record<RequestSet, number>>): RequestSums {
  return { cascade: columns(CASCADE_COLUMNS, requests.cascade), heldOut: columns(HELD_OUT_COLUMNS, requests.heldOut) };
}
