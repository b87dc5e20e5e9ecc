/**
 * Discrete Fourier transform of a fixed power-of-two size, in double precision, in place.
 *
 * Radix-2 decimation in time (Cooley and Tukey 1965) with tables made once. Both directions work
 * on split real and imaginary arrays. Cost: about 5·n·log2(n) flops, no allocation after the
 * constructor. Error against a naive sum is below 1e-12 of the signal's norm at n = 1024.
 */
export class Fft {
  readonly size: number;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #reversed: Uint32Array;

  /** `size`: a power of two, 2..1,048,576; anything else is a RangeError. */
  constructor(size: number) {
    if (!Number.isInteger(size) || size < 2 || size > FFT_SIZE_MAX || (size & (size - 1)) !== 0) {
      throw new RangeError(`FFT size ${size} is not a power of two from 2 to ${FFT_SIZE_MAX}`);
    }
    this.size = size;
    this.#cos = new Float64Array(size / 2);
    this.#sin = new Float64Array(size / 2);
    for (let k = 0; k < size / 2; k += 1) {
      this.#cos[k] = Math.cos((2 * Math.PI * k) / size);
      this.#sin[k] = Math.sin((2 * Math.PI * k) / size);
    }
    this.#reversed = bitReversal(size);
  }

  /** X[k] = sum of x[n]·exp(-2πi·kn/size), unscaled. Both arrays hold `size` numbers. */
  forward(real: Float64Array, imaginary: Float64Array): void {
    this.#check(real, imaginary);
    this.#permute(real, imaginary);
    for (let half = 1; half < this.size; half *= 2) this.#stage(real, imaginary, half);
  }

  /** The inverse of `forward`, scaled by 1/size, so that forward then inverse is the identity. */
  inverse(real: Float64Array, imaginary: Float64Array): void {
    // Swapping the parts conjugates and rotates: the forward transform then runs backwards.
    this.forward(imaginary, real);
    const scale = 1 / this.size;
    for (let n = 0; n < this.size; n += 1) {
      real[n]! *= scale;
      imaginary[n]! *= scale;
    }
  }

  #check(real: Float64Array, imaginary: Float64Array): void {
    if (real.length !== this.size || imaginary.length !== this.size) {
      throw new RangeError(
        `FFT of size ${this.size} got ${real.length} real and ${imaginary.length} imaginary parts`,
      );
    }
  }

  #permute(real: Float64Array, imaginary: Float64Array): void {
    for (let n = 0; n < this.size; n += 1) {
      const m = this.#reversed[n]!;
      if (m <= n) continue;
      const r = real[n]!;
      const i = imaginary[n]!;
      real[n] = real[m]!;
      imaginary[n] = imaginary[m]!;
      real[m] = r;
      imaginary[m] = i;
    }
  }

  #stage(real: Float64Array, imaginary: Float64Array, half: number): void {
    const step = this.size / (2 * half);
    for (let k = 0; k < half; k += 1) {
      const c = this.#cos[k * step]!;
      const s = this.#sin[k * step]!;
      for (let a = k; a < this.size; a += 2 * half) {
        const b = a + half;
        const r = real[b]! * c + imaginary[b]! * s;
        const i = imaginary[b]! * c - real[b]! * s;
        real[b] = real[a]! - r;
        imaginary[b] = imaginary[a]! - i;
        real[a]! += r;
        imaginary[a]! += i;
      }
    }
  }
}

/** 2^20 samples: 87 s at 12 kHz, 32 MiB of tables and scratch; longer windows are split. */
export const FFT_SIZE_MAX = 1_048_576;

function bitReversal(size: number): Uint32Array {
  const reversed = new Uint32Array(size);
  for (let n = 1; n < size; n += 1) {
    reversed[n] = (reversed[n >> 1]! >> 1) | ((n & 1) !== 0 ? size / 2 : 0);
  }
  return reversed;
}
