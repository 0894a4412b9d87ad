/** A parameter store in plain memory, for tests of what saves and restores it. */
import type { NativeParameterStore, TensorInfo } from '../../src/runtime/native.js';

export class FakeStore implements NativeParameterStore {
  readonly tensors = new Map<string, Float32Array>();
  readonly #parameters: readonly TensorInfo[];
  readonly #states: readonly TensorInfo[];

  constructor(parameters: readonly TensorInfo[], states: readonly TensorInfo[], fill: number) {
    this.#parameters = parameters;
    this.#states = states;
    for (const { name, shape } of [...parameters, ...states]) {
      const size = shape.reduce((product, n) => product * n, 1);
      this.tensors.set(name, new Float32Array(size).fill(fill));
    }
  }

  get bytes(): number {
    return 0;
  }

  parameters(): TensorInfo[] {
    return [...this.#parameters];
  }

  states(): TensorInfo[] {
    return [...this.#states];
  }

  read(name: string): Float32Array {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) {
      throw new Error(`no tensor ${name}`);
    }
    return tensor.slice();
  }

  write(name: string, data: Float32Array): void {
    this.tensors.set(name, data.slice());
  }
}
