/** Student's t distribution, for means of a few independent values. */

/** ln Γ(x) for x > 0, by Lanczos' approximation (g = 7, 9 terms): relative error below 1e-13. */
function logGamma(x: number): number {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  const shifted = x - 1;
  const sum = terms.reduce((total, term, i) => total + term / (shifted + i + 1), 0.9999999999998099);
  const base = shifted + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

const TINY = 1e-300;

/** The continued fraction of the incomplete beta function, by Lentz's method; for x < (a + 1) / (a + b + 2). */
function betaFraction(a: number, b: number, x: number): number {
  const nonZero = (value: number): number => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 300; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return fraction;
}

/** The regularised incomplete beta function I_x(a, b). */
function incompleteBeta(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(a, b, x)) / a : 1 - (front * betaFraction(b, a, 1 - x)) / b;
}

/** P(|T| ≥ |t|) of Student's t with `freedom` degrees of freedom. */
export function studentTwoSided(t: number, freedom: number): number {
  return incompleteBeta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

/** The t > 0 with P(|T| ≥ t) = p, p in (0, 1). */
export function studentQuantile(p: number, freedom: number): number {
  let low = 0;
  let high = 1;
  while (studentTwoSided(high, freedom) > p) high *= 2;
  for (let i = 0; i < 100; i += 1) {
    const middle = (low + high) / 2;
    if (studentTwoSided(middle, freedom) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export interface MeanEstimate {
  readonly mean: number;
  /** 95 % interval of the mean, and the two-sided p-value of its sign; null for fewer than two values. */
  readonly low: number | null;
  readonly high: number | null;
  readonly p: number | null;
}

/** Mean of independent values, by Student's t. Equal values have an interval of no width, and p = 1 where they are 0, else 0. */
export function meanEstimate(values: readonly number[]): MeanEstimate {
  const { length } = values;
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  if (length < 2 || !Number.isFinite(mean)) return { mean, low: null, high: null, p: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1);
  const error = Math.sqrt(variance / length);
  const half = error * studentQuantile(0.05, length - 1);
  const p = error === 0 ? Number(mean === 0) : studentTwoSided(mean / error, length - 1);
  return { mean, low: mean - half, high: mean + half, p };
}
