/** Rates over impressions, and relative change between two arms. */
import { type MetricValue, ratio, undefinedBecause } from './value.js';

/** Sums over the impressions of one arm. */
export interface ImpressionSums {
  readonly impressions: number;
  readonly clicks: number;
  readonly conversions: number;
  /** Cross-outs. */
  readonly xouts: number;
  /** Sum of estimated survey scores. */
  readonly surveyScore: number;
  /** Sum of final total values. */
  readonly totalValue: number;
}

export interface ExposureRates {
  readonly ctr: MetricValue;
  readonly cvr: MetricValue;
  readonly xout: MetricValue;
  readonly asq: MetricValue;
  readonly totalValuePerImpression: MetricValue;
}

/**
 * Rates of shown ads: CTR, CVR, Xout, ASQ (mean survey score) and total value, each per impression; undefined without
 * impressions.
 * `conversionsPer: 'clicks'` divides conversions by clicks instead.
 */
export function exposureRates(
  sums: ImpressionSums,
  options: { readonly conversionsPer?: 'impressions' | 'clicks' } = {},
): ExposureRates {
  const perImpression = (count: number) => ratio(count, sums.impressions, 'no impressions');
  return {
    ctr: perImpression(sums.clicks),
    cvr:
      options.conversionsPer === 'clicks'
        ? ratio(sums.conversions, sums.clicks, 'no clicks')
        : perImpression(sums.conversions),
    xout: perImpression(sums.xouts),
    asq: perImpression(sums.surveyScore),
    totalValuePerImpression: perImpression(sums.totalValue),
  };
}

/** treatment / baseline − 1. Undefined when either value is, or the baseline is 0. */
export function relativeChange(treatment: number | null, baseline: number | null): MetricValue {
  if (treatment === null || baseline === null) {
    return undefinedBecause('a value is undefined');
  }
  return baseline === 0 ? undefinedBecause('the baseline is 0') : { value: treatment / baseline - 1 };
}
