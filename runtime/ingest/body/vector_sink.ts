import { RveError } from '../../errors/index.js';
import { halfToFloat } from './half.js';

/** RFC 8746 typed arrays that the wire knows, by CBOR tag: 1, 2 and 4 bytes an element. */
export const TAG_INT8 = 72;
export const TAG_F16 = 84;
export const TAG_F32 = 85;

const EMPTY = new Float32Array(0);

/**
 * Collects the numbers of `v` or `vectors`, whatever form they come in. Its buffer is never larger
 * than the input bytes that are left can fill.
 */
export class VectorSink {
  #values = EMPTY;
  #length = 0;
  /** Rows given as arrays of their own; 0: one flat run of numbers. */
  rows = 0;
  #rowLength = -1;
  #rowStart = 0;
  /** Some row is int8, and so needs `scale`; rows of other kinds must not stand beside it. */
  int8 = false;
  #otherKind = false;

  /** Makes room for `count` numbers. The caller has checked count against the bytes left. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#values.length) return;
    if (this.#length === 0) {
      this.#values = new Float32Array(needed);
      return;
    }
    const grown = new Float32Array(Math.max(needed, this.#values.length * 2));
    grown.set(this.#values.subarray(0, this.#length));
    this.#values = grown;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.reserve(Math.max(16, this.#length));
    this.#otherKind = true;
    this.#values[this.#length++] = value;
  }

  /**
   * Appends the typed array in bytes[at, at + length). ERR_BODY: not a whole number of elements.
   */
  pushTyped(tag: number, bytes: Uint8Array, at: number, length: number): void {
    const size = tag === TAG_F32 ? 4 : tag === TAG_F16 ? 2 : 1;
    if (length % size !== 0) {
      throw new RveError('ERR_BODY', `a typed array of ${length} bytes has elements of ${size}`);
    }
    const start = this.#length;
    const end = start + length / size;
    this.reserve(length / size);
    this.#length = end;
    const out = this.#values;
    const from = bytes.byteOffset + at;
    if (tag === TAG_INT8) {
      out.set(new Int8Array(bytes.buffer, from, length), start);
      this.int8 = true;
      return;
    }
    this.#otherKind = true;
    if (tag === TAG_F32) {
      // The wire is little-endian, and so is every target (x64, arm64, riscv64).
      new Uint8Array(out.buffer, start * 4, length).set(new Uint8Array(bytes.buffer, from, length));
    } else {
      for (let i = start, b = at; i < end; i += 1, b += 2) {
        out[i] = halfToFloat(bytes[b]! | (bytes[b + 1]! << 8));
      }
    }
  }

  endRow(): void {
    const length = this.#length - this.#rowStart;
    if (this.rows > 0 && length !== this.#rowLength) {
      throw new RveError(
        'ERR_DIMENSIONS',
        `row ${this.rows} has ${length} numbers, row 0 has ${this.#rowLength}`,
      );
    }
    this.#rowLength = length;
    this.#rowStart = this.#length;
    this.rows += 1;
  }

  /** The numbers as they are, unchecked. */
  take(): Float32Array {
    return this.#values.slice(0, this.#length);
  }

  /** Checks lengths and values; `single`: the key was `v`. Gives the matrix and its rows. */
  finish(dimensions: number, single: boolean, scale: number | undefined): Float32Array {
    if (this.rows > 0 && this.#rowLength !== dimensions) {
      throw new RveError(
        'ERR_DIMENSIONS',
        `a vector has ${this.#rowLength} numbers, the memory has ${dimensions}`,
      );
    }
    if (
      this.#length === 0 ||
      this.#length % dimensions !== 0 ||
      (single && this.#length !== dimensions)
    ) {
      throw new RveError(
        'ERR_DIMENSIONS',
        `got ${this.#length} numbers, the memory has ${dimensions}`,
      );
    }
    this.rows = this.#length / dimensions;
    const out =
      this.#values.length === this.#length ? this.#values : this.#values.slice(0, this.#length);
    if (this.int8) this.#applyScale(out, scale);
    // x * 0 is 0 for finite x and NaN else: one branch for the whole matrix.
    let probe = 0;
    for (let i = 0; i < out.length; i += 1) probe += out[i]! * 0;
    if (probe !== 0) throw new RveError('ERR_VECTOR', 'a vector holds NaN or Inf');
    return out;
  }

  #applyScale(out: Float32Array, scale: number | undefined): void {
    if (this.#otherKind)
      throw new RveError('ERR_BODY', 'int8 rows stand beside rows of another type');
    if (scale === undefined) throw new RveError('ERR_BODY', 'int8 vectors need the key "scale"');
    for (let i = 0; i < out.length; i += 1) out[i] = out[i]! * scale;
  }
}
