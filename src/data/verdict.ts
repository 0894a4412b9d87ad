/** What becomes of each row of a chunk: kept, rejected with a reason, or dropped by policy or sampling. */

const KEPT = 0;
const DROPPED = 1;
const SAMPLED_OUT = 2;
const FIRST_REASON = 3;

export class Verdict {
  private codes = new Int32Array(0);
  private readonly reasons: string[] = [];
  private readonly codeOfReason = new Map<string, number>();
  rejected = 0;
  dropped = 0;
  sampledOut = 0;

  /** Starts a chunk in which every row is kept. */
  reset(rows: number): void {
    this.codes = new Int32Array(rows);
    this.rejected = 0;
    this.dropped = 0;
    this.sampledOut = 0;
  }

  get rows(): number {
    return this.codes.length;
  }

  isKept(row: number): boolean {
    return this.codes[row] === KEPT;
  }

  /** The first reason given for a row counts; a dropped row stays dropped. */
  reject(row: number, reason: string): void {
    if (!this.isKept(row)) return;
    let code = this.codeOfReason.get(reason);
    if (code === undefined) {
      code = FIRST_REASON + this.reasons.length;
      this.reasons.push(reason);
      this.codeOfReason.set(reason, code);
    }
    this.codes[row] = code;
    this.rejected++;
  }

  /** Left out because a null policy says so. */
  drop(row: number): void {
    if (!this.isKept(row)) return;
    this.codes[row] = DROPPED;
    this.dropped++;
  }

  /** A non-impression that augmentation did not draw. */
  sampleOut(row: number): void {
    if (!this.isKept(row)) return;
    this.codes[row] = SAMPLED_OUT;
    this.sampledOut++;
  }

  /** Why a row was rejected, or undefined. */
  reason(row: number): string | undefined {
    return this.reasons[(this.codes[row] ?? 0) - FIRST_REASON];
  }

  /** Indices of the kept rows, ascending. */
  keptRows(): Int32Array {
    const kept = new Int32Array(this.codes.length - this.rejected - this.dropped - this.sampledOut);
    let count = 0;
    for (let row = 0; row < this.codes.length; row++) if (this.codes[row] === KEPT) kept[count++] = row;
    return kept;
  }
}
