// The vectors part of a segment in tiers, decoded by native/FORMAT.md 10.8 alone.
import { ByteReader, FormatError, crc32c, floatFromHalf, numberOf } from './bytes.js';
import type { Identity } from './fixed.js';
import { SplitMix, Trellis, type Shape } from './trellis.js';

export const TIERS = ['hot', 'warm', 'cool', 'cold', 'archive'] as const;
export type Tier = (typeof TIERS)[number];

const METRICS = ['', 'cosine', 'l2', 'ip'];
const DIMENSIONS_MAX = 4096;
const CENTROIDS_MAX = 256;
const SIDE_BYTES = 7;
const OUTLIER_DIMS_MIN = 256;
const OUTLIER_BYTES = 3;
const FLOAT_MAX = (2 - 2 ** -23) * 2 ** 127;
const NO_ROW = 0xffffffff;

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

export interface Codebook {
  id: number | string;
  dims: number;
  seed: bigint;
  samples: number;
  distortion: number;
  mean: number[];
  centroids: number[][];
}

/** FORMAT.md 10.8.3. */
export function readCodebook(bytes: Uint8Array, identity: Identity): Codebook {
  const r = new ByteReader(bytes);
  r.expect('codebook magic', r.u32(), 0x42545652);
  r.expect('codebook version', r.u16(), 1);
  r.expect('metric of a codebook', r.u8(), METRICS.indexOf(identity.metric));
  r.zero(1);
  const [dims, count] = [r.u32(), r.u32()];
  r.expect('dimensions of a codebook', dims, identity.dimensions);
  if (dims > DIMENSIONS_MAX || count < 1 || count > CENTROIDS_MAX) {
    throw new FormatError(`a codebook of ${count} centroids`);
  }
  const padded = roundUp(dims, 8);
  r.expect('bytes of a codebook', bytes.length, 44 + 4 * padded + count * (4 + padded) + 4);
  const id = numberOf(r.u64());
  const [seed, samples, distortion] = [r.u64(), r.size(), r.f32()];
  const mean = Array.from({ length: padded }, () => r.f32());
  const scales = Array.from({ length: count }, () => r.f32());
  const centroids = scales.map((scale) =>
    Array.from({ length: padded }, () => Math.fround((r.u8() << 24 >> 24) * scale)));
  r.expect('codebook crc', r.u32(), crc32c(bytes.subarray(0, bytes.length - 4)));
  const sane = [distortion, ...mean, ...scales].every(Number.isFinite) &&
    scales.every((scale) => scale >= 0);
  if (!sane) throw new FormatError('a codebook holds a number that is not finite');
  return { id, dims, seed, samples, distortion, mean, centroids };
}

/** The codebook of a part without one. */
function dataFree(identity: Identity): Codebook {
  const zeros = (): number[] =>
    Array.from({ length: roundUp(identity.dimensions, 8) }, () => 0);
  const seed = Buffer.from(identity.uuid, 'hex').readBigUInt64LE(0);
  return {
    id: 0, dims: identity.dimensions, seed, samples: 0, distortion: 1, mean: zeros(),
    centroids: [zeros()],
  };
}

function transform(values: number[], start: number, span: number): void {
  for (let half = 1; half < span; half *= 2) {
    for (let i = 0; i < span; i++) {
      if ((i & half) !== 0) continue;
      const [a, b] = [values[start + i] ?? 0, values[start + i + half] ?? 0];
      values[start + i] = a + b;
      values[start + i + half] = a - b;
    }
  }
}

/** The rotation of FORMAT.md 10.7 over D = dims rounded up to a multiple of 8, backwards. */
export class InverseRotation {
  readonly #padded: number;
  readonly #span: number;
  readonly #signs: number[][];

  constructor(readonly dims: number, seed: bigint) {
    this.#padded = roundUp(dims, 8);
    this.#span = 2 ** Math.floor(Math.log2(this.#padded));
    const random = new SplitMix(seed);
    const rounds = this.#span === this.#padded ? 3 : 4;
    this.#signs = Array.from({ length: rounds }, () =>
      Array.from({ length: this.#padded }, () => (random.next() >> 63n === 0n ? 1 : -1)));
  }

  apply(rotated: readonly number[]): number[] {
    const values = [...rotated];
    const half = this.#padded / 2;
    for (let round = this.#signs.length - 1; round >= 0; round--) {
      for (let i = 0; i < half && this.#span < this.#padded; i++) {
        const [a, b] = [values[i] ?? 0, values[i + half] ?? 0];
        values[i] = (a + b) * Math.SQRT1_2;
        values[i + half] = (a - b) * Math.SQRT1_2;
      }
      const start = round % 2 === 0 ? 0 : this.#padded - this.#span;
      transform(values, start, this.#span);
      for (let i = start; i < start + this.#span; i++) {
        values[i] = (values[i] ?? 0) / Math.sqrt(this.#span);
      }
      this.#signs[round]?.forEach((sign, i) => (values[i] = (values[i] ?? 0) * sign));
    }
    return values.slice(0, this.dims);
  }
}

function shapeOf(tier: Tier, dims: number, bits: number): Shape {
  const padded = roundUp(dims, 8);
  const planeBytes = padded / 8;
  if (tier === 'archive') return { dims: padded, planes: 1, fineDims: 0 };
  const side = SIDE_BYTES + outlierBytes(tier, dims);
  const code = Math.floor(Math.fround(bits * dims) / 8) - side;
  if (code < planeBytes) return { dims: padded, planes: 1, fineDims: 0 };
  const planes = Math.floor(code / planeBytes);
  if (planes >= 8) return { dims: padded, planes: 8, fineDims: 0 };
  return { dims: padded, planes, fineDims: 8 * (code - planes * planeBytes) };
}

function outlierBytes(tier: Tier, dims: number): number {
  return tier === 'cold' && dims >= OUTLIER_DIMS_MIN ? OUTLIER_BYTES : 0;
}

interface Decoder {
  recordBytes: number;
  /** Of a code: the centroid that it refers to. */
  centroidOf: ((record: Uint8Array) => number) | undefined;
  decode: (record: Uint8Array) => number[];
}

const HOT = (dims: number): Decoder => ({
  recordBytes: 4 * dims,
  centroidOf: undefined,
  decode: (record) => {
    const r = new ByteReader(record);
    return Array.from({ length: dims }, () => r.f32());
  },
});

const WARM = (dims: number): Decoder => ({
  recordBytes: 2 + 2 * dims,
  centroidOf: undefined,
  decode: (record) => {
    const r = new ByteReader(record);
    const power = 2 ** (r.u16() << 16 >> 16);
    return Array.from({ length: dims }, () => Math.fround(floatFromHalf(r.u16()) * power));
  },
});

function coded(tier: Tier, bits: number, book: Codebook, rotation: InverseRotation): Decoder {
  const trellis = new Trellis(shapeOf(tier, book.dims, bits));
  const { codeBytes } = trellis;
  const outlierAt = SIDE_BYTES + codeBytes;
  const recordBytes = outlierAt + outlierBytes(tier, book.dims);
  const floats = new DataView(new ArrayBuffer(4));
  const centroidOf = (record: Uint8Array): number => {
    const stored = record[0] ?? 0;
    return stored < book.centroids.length ? stored : 0;
  };
  const decode = (record: Uint8Array): number[] => {
    const word = new ByteReader(record).u32();
    const noise = (word >>> 8) & 15;
    floats.setUint32(0, (word >>> 12) << 11);
    const factor = floats.getFloat32(0);
    const u = trellis.unpack(record.subarray(SIDE_BYTES, outlierAt));
    if (recordBytes > outlierAt) {
      const r = new ByteReader(record.subarray(outlierAt));
      const [coordinate, steps] = [r.u16(), r.u8() << 24 >> 24];
      const before = u[coordinate];
      if (before !== undefined) u[coordinate] = before + steps * (trellis.byteValues ? 2 : 512);
    }
    const norm2 = u.reduce((sum, value) => sum + value * value, 0);
    const times2 = noise === 15 ? 4096 : 2 ** (noise / 4 - 1);
    const kept = Math.max(0, 1 - (times2 * trellis.noise2 * u.length) / norm2);
    const centroid = book.centroids[centroidOf(record)] ?? [];
    const rotated = u.map((value, i) =>
      (book.mean[i] ?? 0) + (centroid[i] ?? 0) + factor * kept * value);
    return rotation.apply(rotated).map((value) =>
      Math.fround(Math.max(-FLOAT_MAX, Math.min(FLOAT_MAX, value))));
  };
  return { recordBytes, centroidOf, decode };
}

interface Range {
  firstRow: number;
  rows: number;
  tier: Tier;
  bits: number;
  decoder: Decoder;
  /** The records of its rows. */
  block: Uint8Array;
}

function bitsAreValid(tier: Tier, bits: number): boolean {
  if (tier === 'cool') return bits >= 4.5 && bits <= 8;
  if (tier === 'cold') return bits >= 2 && bits <= 4.5;
  return bits === 0;
}

export class Tiers {
  readonly ranges: Range[] = [];
  readonly codebook: Codebook;
  readonly #stored: boolean;
  #originals: Range | undefined;

  constructor(sections: Map<number, Uint8Array>, readonly rows: number, identity: Identity) {
    const book = sections.get(33);
    this.#stored = book !== undefined;
    this.codebook = book === undefined ? dataFree(identity) : readCodebook(book, identity);
    this.#readRanges(sections);
    this.#readOriginals(sections.get(35));
    this.#checkCentroidRows(sections.get(36));
  }

  #readRanges(sections: Map<number, Uint8Array>): void {
    const r = new ByteReader(sections.get(32) ?? new Uint8Array());
    const records = new ByteReader(sections.get(34) ?? new Uint8Array());
    const rotation = new InverseRotation(this.codebook.dims, this.codebook.seed);
    let next = 0;
    let before = -1;
    while (r.left > 0) {
      const [firstRow, rows, number, bits] = [r.u32(), r.u32(), r.u32(), r.f32()];
      const tier = TIERS[number];
      const fine = tier !== undefined && number > before && firstRow === next && rows > 0 &&
        rows <= this.rows - next && bitsAreValid(tier, bits);
      if (!fine) throw new FormatError(`range ${this.ranges.length} of the tiers is impossible`);
      const decoder = tier === 'hot' ? HOT(this.codebook.dims)
        : tier === 'warm' ? WARM(this.codebook.dims)
          : coded(tier, bits, this.codebook, rotation);
      const block = records.take(rows * decoder.recordBytes);
      records.zero(roundUp(block.length, 64) - block.length);
      this.ranges.push({ firstRow, rows, tier, bits, decoder, block });
      next += rows;
      before = number;
    }
    if (next !== this.rows || records.left > 0) {
      throw new FormatError('the tiers do not cover the rows');
    }
  }

  #readOriginals(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return;
    const first = this.ranges.find(({ tier }) => TIERS.indexOf(tier) > 1);
    if (first === undefined) throw new FormatError('originals of rows that are not coded');
    const decoder = WARM(this.codebook.dims);
    const rows = this.rows - first.firstRow;
    const r = new ByteReader(bytes);
    const block = r.take(rows * decoder.recordBytes);
    r.zero(roundUp(block.length, 64) - block.length);
    r.expect('bytes of the originals', r.left, 0);
    this.#originals = { firstRow: first.firstRow, rows, tier: 'warm', bits: 0, decoder, block };
  }

  #checkCentroidRows(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return;
    const r = new ByteReader(bytes);
    r.expect('rows of centroids', bytes.length, 4 * this.codebook.centroids.length);
    for (let centroid = 0; r.left > 0; centroid++) {
      const row = r.u32();
      if (row === NO_ROW) continue;
      const range = this.rangeOf(row);
      const found = range.decoder.centroidOf?.(recordOf(range, row));
      if (found !== centroid) throw new FormatError(`row ${row} is not of centroid ${centroid}`);
    }
  }

  rangeOf(row: number): Range {
    const range = this.ranges.find((one) => row >= one.firstRow && row < one.firstRow + one.rows);
    if (range === undefined) throw new FormatError(`row ${row} is in no tier`);
    return range;
  }

  /** The best that is left of a row; under cosine of unit length, up to the loss of its tier. */
  vectorOf(row: number): number[] {
    const kept = this.#originals;
    const range = kept !== undefined && row >= kept.firstRow ? kept : this.rangeOf(row);
    return range.decoder.decode(recordOf(range, row));
  }

  /** How far the codes are off their originals, as a share of the lengths of these. */
  #codesOff(kept: Range): number {
    const norm2 = (values: readonly number[]): number => values.reduce((sum, x) => sum + x * x, 0);
    let [off2, all2] = [0, 0];
    for (let row = kept.firstRow; row < this.rows; row++) {
      const range = this.rangeOf(row);
      const [code, original] = [range, kept].map((one) => one.decoder.decode(recordOf(one, row)));
      off2 += norm2(original?.map((value, i) => value - (code?.[i] ?? 0)) ?? []);
      all2 += norm2(original ?? []);
    }
    return Number(Math.sqrt(off2 / all2).toPrecision(2));
  }

  show(): unknown {
    const { id, samples, distortion, centroids } = this.codebook;
    const kept = this.#originals;
    return {
      ranges: this.ranges.map(({ firstRow, rows, tier, bits, decoder }) =>
        ({ firstRow, rows, tier, bits, recordBytes: decoder.recordBytes })),
      codebook: this.#stored ? { id, samples, distortion, centroids: centroids.length } : null,
      originals: kept === undefined ? null : { rows: kept.rows, codesOff: this.#codesOff(kept) },
    };
  }
}

function recordOf(range: Range, row: number): Uint8Array {
  const { recordBytes } = range.decoder;
  const at = recordBytes * (row - range.firstRow);
  return range.block.subarray(at, at + recordBytes);
}
