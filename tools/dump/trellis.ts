// Trellis codes of the tiers below warm: native/FORMAT.md 10.8.4.

/** Grids for a gaussian by planes 1 to 9: compression, and half width in standard deviations. */
const GRIDS: readonly (readonly [number, number])[] = [
  [0, 0], [0.1, 1.6], [0.4, 2.2], [0.5, 2.8], [0.55, 3.2], [0.55, 3.8], [0.55, 4.4], [0.55, 4.4],
  [0.55, 4.4], [0.55, 4.4],
];
const BYTE_LEVELS_MAX = 32;
const NOISE_SEED = 0x7e11n;
const NOISE_VALUES = 1024;

const f = Math.fround;

/** By shape: a store's segments share a few. */
const noises = new Map<string, number>();

/** SplitMix64: the next numbers of a state. */
export class SplitMix {
  #state: bigint;

  constructor(seed: bigint) {
    this.#state = seed;
  }

  next(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** 0 to 1, 53 bits. */
  uniform(): number {
    return Number(this.next() >> 11n) * 2 ** -53;
  }
}

export interface Shape {
  /** A multiple of 8. */
  dims: number;
  planes: number;
  fineDims: number;
}

const bitAt = (bytes: Uint8Array, at: number, index: number): number =>
  ((bytes[at + (index >> 3)] ?? 0) >> (index & 7)) & 1;

export class Trellis {
  readonly byteValues: boolean;
  readonly #edge: number;
  readonly #compression: number;
  /** Table units for each standard deviation of what is coded. */
  readonly unitsPerDeviation: number;
  readonly #fine: number[];
  readonly #coarse: number[];

  constructor(readonly shape: Shape) {
    const share = f(shape.fineDims / shape.dims);
    const between = (i: 0 | 1): number => {
      const low = f(GRIDS[shape.planes]?.[i] ?? 0);
      const high = f(GRIDS[shape.planes + 1]?.[i] ?? 0);
      return f(low + f(share * f(high - low)));
    };
    this.#compression = between(0);
    const x = f(this.#compression * between(1));
    this.#edge = f(x / f(Math.sqrt(f(1 + f(x * x)))));
    const levels = (shape.fineDims > 0 ? 4 : 2) << shape.planes;
    const y = f(this.#edge * f(1 - 1 / levels));
    const largest = f(y / f(Math.sqrt(f(1 - f(y * y)))));
    this.byteValues = levels <= BYTE_LEVELS_MAX;
    const units = f((this.byteValues ? 127 : 32767) / largest);
    this.unitsPerDeviation = f(units * this.#compression);
    const table = (count: number): number[] => Array.from({ length: count }, (_, level) => {
      const at = ((2 * level - (count - 1)) / count) * this.#edge;
      const value = (units * at) / Math.sqrt(1 - at * at);
      return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
    });
    this.#fine = table(4 << shape.planes);
    this.#coarse = table(2 << shape.planes);
  }

  get codeBytes(): number {
    return (this.shape.planes * this.shape.dims + this.shape.fineDims) / 8;
  }

  #valueOf(index: number, level: number): number {
    return (index < this.shape.fineDims ? this.#fine : this.#coarse)[level] ?? NaN;
  }

  /** The value of every coordinate. */
  unpack(code: Uint8Array): number[] {
    const { dims, planes, fineDims } = this.shape;
    const planeBytes = dims / 8;
    const pathAt = (planes - 1) * planeBytes;
    const path = (index: number): number => (index < 0 ? 0 : bitAt(code, pathAt, index));
    return Array.from({ length: dims }, (_, i) => {
      let amplitude = 0;
      for (let k = 0; k < planes - 1; k++) {
        amplitude = 2 * amplitude + bitAt(code, k * planeBytes, i);
      }
      if (i < fineDims) amplitude = 2 * amplitude + bitAt(code, pathAt + planeBytes, i);
      const z1 = path(i) ^ path(i - 1) ^ path(i - 3);
      return this.#valueOf(i, 4 * amplitude + 2 * z1 + path(i - 2));
    });
  }

  /** The values nearest to these, by the trellis. */
  #quantised(values: readonly number[]): number[] {
    let costs = [0, ...Array.from({ length: 7 }, () => Infinity)];
    const choices: number[][] = [];
    const nearest: number[][] = [];
    for (const [i, value] of values.entries()) {
      const fine = i < this.shape.fineDims;
      const levels = (fine ? 4 : 2) << this.shape.planes;
      const x = (value * this.#compression) / this.unitsPerDeviation;
      const stretch2 = 1 + x * x;
      const y = ((x / Math.sqrt(stretch2)) * levels) / 2 / this.#edge + (levels - 1) / 2;
      const weight = (fine ? 1 : 4) * stretch2 ** 3;
      const level = [0, 1, 2, 3].map((residue) => {
        const at = Math.min(Math.max((y - residue) / 4 + 0.5, 0), levels / 4 - 0.5);
        return 4 * Math.floor(at) + residue;
      });
      const errors = level.map((one) => weight * (y - one) ** 2);
      const choice: number[] = [];
      costs = costs.map((_, n) => {
        const by = [0, 1].map((old) => {
          const residue = 2 * ((n ^ (n >> 1) ^ old) & 1) + (n >> 2);
          return (costs[(n >> 1) | (old << 2)] ?? 0) + (errors[residue] ?? 0);
        });
        choice.push((by[1] ?? 0) < (by[0] ?? 0) ? 1 : 0);
        return Math.min(...by);
      });
      choices.push(choice);
      nearest.push(level);
    }
    let state = costs.indexOf(Math.min(...costs));
    const out: number[] = [];
    for (let i = values.length - 1; i >= 0; i--) {
      const old = choices[i]?.[state] ?? 0;
      const residue = 2 * ((state ^ (state >> 1) ^ old) & 1) + (state >> 2);
      out[i] = this.#valueOf(i, nearest[i]?.[residue] ?? 0);
      state = (state >> 1) | (old << 2);
    }
    return out;
  }

  /** Mean squared error of a gaussian, of one seeded draw. */
  get noise2(): number {
    const { dims, planes, fineDims } = this.shape;
    const key = `${dims} ${planes} ${fineDims}`;
    const noise2 = noises.get(key) ?? this.#measured();
    noises.set(key, noise2);
    return noise2;
  }

  #measured(): number {
    const random = new SplitMix(NOISE_SEED);
    const { dims } = this.shape;
    let error = 0;
    for (let done = 0; done < NOISE_VALUES; done += dims) {
      const values = Array.from({ length: dims }, () => {
        let sum = -6;
        for (let part = 0; part < 12; part++) sum += random.uniform();
        return f(this.unitsPerDeviation * f(sum));
      });
      const code = this.#quantised(values);
      const squares = values.reduce((total, value, i) => total + (value - (code[i] ?? 0)) ** 2, 0);
      error += (squares / dims) * Math.min(dims, NOISE_VALUES - done);
    }
    return error / NOISE_VALUES;
  }
}
