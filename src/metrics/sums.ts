/** Weighted sums of a binary or a regression task: what windows, shards and whole sets of rows add up to. */

/** Sums over rows; all in float64. Regression: `prediction` is in the label's unit. */
export interface TaskSums {
  /** Σ w · loss (log loss in nats, or squared error, as the task's). */
  loss: number;
  /** Σ w. */
  weight: number;
  /** Rows. */
  count: number;
  /** Σ w · prediction. */
  prediction: number;
  /** Σ w · y. */
  target: number;
  /** Σ w · y². */
  targetSq: number;
}

export function emptySums(): TaskSums {
  return { loss: 0, weight: 0, count: 0, prediction: 0, target: 0, targetSq: 0 };
}

/** The sums of both sets of rows. Associative up to rounding. */
export function mergeSums(a: TaskSums, b: TaskSums): TaskSums {
  return {
    loss: a.loss + b.loss,
    weight: a.weight + b.weight,
    count: a.count + b.count,
    prediction: a.prediction + b.prediction,
    target: a.target + b.target,
    targetSq: a.targetSq + b.targetSq,
  };
}

/** Sums of x with the rounding error carried along (Neumaier), so that millions of rows lose nothing. */
export class ExactSum {
  private sum = 0;
  private lost = 0;

  add(x: number): void {
    const next = this.sum + x;
    this.lost += Math.abs(this.sum) >= Math.abs(x) ? this.sum - next + x : x - next + this.sum;
    this.sum = next;
  }

  get value(): number {
    return this.sum + this.lost;
  }
}
