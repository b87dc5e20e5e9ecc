/**
 * Deterministic random numbers: xoshiro128** 1.1 (Blackman and Vigna 2018), state filled from the
 * seed by splitmix32. Period 2^128 - 1; the same seed gives the same numbers on every machine.
 */
export class Rng {
  readonly #state = new Uint32Array(4);
  #spare = Number.NaN;

  /** `seed`: a whole number from 0 to 2^32 - 1; otherwise a RangeError. */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
      throw new RangeError(`seed is ${seed}: give a whole number from 0 to 4294967295`);
    }
    let s = seed;
    for (let i = 0; i < 4; i += 1) {
      s = (s + 0x9e37_79b9) >>> 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
      this.#state[i] = (z ^ (z >>> 16)) >>> 0;
    }
    // The all-zero state is the one fixed point of the generator.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** A whole number from 0 to 2^32 - 1, each equally likely. */
  uint32(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** Uniform in [0, 1), in steps of 2^-32. */
  uniform(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Standard normal, by the polar method of Marsaglia; at most about 6.7 away from 0. */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare;
      this.#spare = Number.NaN;
      return spare;
    }
    for (;;) {
      const u = 2 * this.uniform() - 1;
      const v = 2 * this.uniform() - 1;
      const q = u * u + v * v;
      if (q >= 1 || q === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(q)) / q);
      this.#spare = v * scale;
      return u * scale;
    }
  }
}
