// Bounds-checked little-endian reads and the checksum of native/FORMAT.md. Nothing here knows the
// engine.

/** What a file says that cannot be: the place in the format, and what was found. */
export class FormatError extends Error {}

const TABLE = new Uint32Array(256).map((_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C of the bytes; of four at `zeroedAt` as if they were zero. */
export function crc32c(bytes: Uint8Array, zeroedAt = -4): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    const byte = i >= zeroedAt && i < zeroedAt + 4 ? 0 : (bytes[i] ?? 0);
    crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A u64 as a number where that is exact, else as decimal text. */
export function numberOf(value: bigint): number | string {
  const exact = BigInt.asIntN(54, value) === value;
  return exact ? Number(value) : value.toString();
}

export function floatFromHalf(half: number): number {
  const sign = (half & 0x8000) !== 0 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** A window on bytes with a cursor. Every read is checked against the end. */
export class ByteReader {
  readonly bytes: Uint8Array;
  at = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  #take(count: number): number {
    if (count > this.left) throw new FormatError(`ends ${count - this.left} bytes too early`);
    const at = this.at;
    this.at += count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }
  f32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  /** A u64 that must be a safe integer: a position, a count. */
  size(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError(`${value} is out of range`);
    return Number(value);
  }

  take(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new FormatError('a varint is longer than ten bytes');
  }

  /** A count of items of at least `bytesEach`: compared with what is left before it is believed. */
  count(bytesEach: number): number {
    const value = this.varint();
    if (value > BigInt(Math.floor(this.left / bytesEach))) {
      throw new FormatError(`a count of ${value} items does not fit ${this.left} bytes`);
    }
    return Number(value);
  }

  /** Reserved bytes: zero, or the file is not what this program knows. */
  zero(count: number): void {
    const at = this.at;
    if (this.take(count).some((byte) => byte !== 0)) {
      throw new FormatError(`reserved bytes at ${at} are not zero`);
    }
  }

  expect(what: string, got: bigint | number, wanted: bigint | number): void {
    if (got !== wanted) throw new FormatError(`${what} is ${got}, not ${wanted}`);
  }
}
