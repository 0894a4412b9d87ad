/** SQL expressions that a query selects, each once, told by their position. */
export class Selection {
  private readonly positions = new Map<string, number>();

  /** Position of an expression, added when it is new. */
  add(sql: string): number {
    const known = this.positions.get(sql);
    if (known !== undefined) return known;
    const position = this.positions.size;
    this.positions.set(sql, position);
    return position;
  }

  /** In the order of their positions. */
  get expressions(): readonly string[] {
    return [...this.positions.keys()];
  }
}
