/** Settings of PWiseR as a configuration has them. */
export const PWISER = {
  weight: 0.1,
  head: 'ctr',
  space: 'logit',
  clickMargin: 0.5,
  impressionMargin: 1,
  pairNorm: 'mean',
} as const;
