// IEEE 754 binary16 to binary32 and back.

const BITS = new Uint32Array(1);
const FLOAT = new Float32Array(BITS.buffer);
/** 2^112: moves a binary16 exponent, placed in a binary32's field, to its own bias. Exact. */
const REBIAS = 2 ** 112;

/** Value of a binary16; exact, subnormals too. NaN and Inf give NaN. */
export function halfToFloat(bits: number): number {
  if ((bits & 0x7c00) === 0x7c00) return Number.NaN;
  BITS[0] = ((bits & 0x8000) << 16) | ((bits & 0x7fff) << 13);
  return FLOAT[0]! * REBIAS;
}

/** Nearest binary16, ties to even. Beyond 65,519.99: infinity, which a decoder refuses. */
export function floatToHalf(value: number): number {
  FLOAT[0] = value;
  const bits = BITS[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  if (magnitude >= 0x4780_0000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) {
    // Subnormal result: units of 2^-24, rounded to even by the one addition that aligns them.
    FLOAT[0] = Math.abs(FLOAT[0]!) + 0.5;
    return sign | (BITS[0]! - 0x3f00_0000);
  }
  const rounded = magnitude + 0x0fff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x3800_0000) >>> 13);
}
