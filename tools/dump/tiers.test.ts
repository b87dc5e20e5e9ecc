// The decoders of the tiers apart from any store: what native/FORMAT.md 10.8 says of them.
import { describe, expect, it } from 'vitest';

import { FormatError, crc32c } from './bytes.js';
import type { Identity } from './fixed.js';
import { InverseRotation, Tiers, readCodebook } from './tiers.js';
import { SplitMix, Trellis } from './trellis.js';

const identity = { uuid: '00'.repeat(16), dimensions: 3, metric: 'l2' } as Identity;

function wordsOf(...values: number[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => {
    bytes.setUint32(4 * i, value, true);
  });
  return new Uint8Array(bytes.buffer);
}

function floatsOf(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A codebook of one centroid over 3 dimensions, with a sound checksum. */
function codebookOf(change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(44 + 32 + 4 + 8 + 4);
  bytes.set(wordsOf(0x42545652, 1 | (2 << 16), 3, 1));
  change(bytes);
  bytes.set(wordsOf(crc32c(bytes.subarray(0, -4))), bytes.length - 4);
  return bytes;
}

describe('a codebook', () => {
  it('is read if every field is possible', () => {
    const book = readCodebook(codebookOf((bytes) => {
      bytes[80] = 0xff;
      bytes.set(floatsOf(0.5), 76);
      bytes.set(floatsOf(2), 44);
    }), identity);
    expect(book.mean).toEqual([2, 0, 0, 0, 0, 0, 0, 0]);
    expect(book.centroids).toEqual([[-0.5, 0, 0, 0, 0, 0, 0, 0]]);
  });

  it.each([
    ['magic', (b: Uint8Array) => (b[0] = 0)],
    ['version', (b: Uint8Array) => (b[4] = 2)],
    ['metric', (b: Uint8Array) => (b[6] = 1)],
    ['reserved byte', (b: Uint8Array) => (b[7] = 1)],
    ['dimensions', (b: Uint8Array) => (b[8] = 4)],
    ['count of centroids', (b: Uint8Array) => (b[12] = 2)],
    ['count of no centroids', (b: Uint8Array) => (b[12] = 0)],
    ['mean that is not a number', (b: Uint8Array) => b.set(floatsOf(NaN), 44)],
    ['scale below zero', (b: Uint8Array) => b.set(floatsOf(-1), 76)],
  ])('is refused for its %s', (_, change) => {
    expect(() => readCodebook(codebookOf(change), identity)).toThrow(FormatError);
  });
});

describe('the tiers of a part', () => {
  const hot = (...range: number[]): (() => Tiers) => () => new Tiers(new Map([
    [32, Uint8Array.from([...wordsOf(...range.slice(0, 3)), ...floatsOf(range[3] ?? 0)])],
    [34, floatsOf(...Array.from({ length: 16 }, (_, i) => (i < 3 ? i + 1 : 0)))],
  ]), 1, identity);

  it('give a hot vector as it is stored', () => {
    expect(hot(0, 1, 0, 0)().vectorOf(0)).toEqual([1, 2, 3]);
  });

  it.each([
    ['begin late', [1, 1, 0, 0]],
    ['hold no row', [0, 0, 0, 0]],
    ['hold more rows than there are', [0, 2, 0, 0]],
    ['are of a sixth tier', [0, 1, 5, 0]],
    ['have bits where none belong', [0, 1, 0, 8]],
    ['have too many bits', [0, 1, 2, 9]],
    ['have bits that are not a number', [0, 1, 3, NaN]],
  ])('are refused if they %s', (_, range) => {
    expect(hot(...range)).toThrow(FormatError);
  });
});

describe('the trellis', () => {
  it('decodes two planes by hand', () => {
    // Amplitudes 1, 0, 0, 1 and path 1, 0, 1, 1: levels 6, 2, 3, 6 of 8, by 4 a + 2 z1 + z0.
    const grid = new Trellis({ dims: 8, planes: 2, fineDims: 0 });
    const [first = 0, second = 0, third = 0, fourth = 0] = grid.unpack(Uint8Array.of(9, 13));
    expect(first).toBe(fourth);
    expect([...new Set([second, third, 0, first])]).toEqual(
      [second, third, 0, first].sort((a, b) => a - b));
    expect(first).toBeGreaterThan(-second);
  });

  it('has less noise with every plane, by about 6 dB', () => {
    const noise = [1, 2, 3, 4].map((planes) => {
      const grid = new Trellis({ dims: 64, planes, fineDims: 0 });
      return grid.noise2 / grid.unitsPerDeviation ** 2;
    });
    for (const [i, db] of [5.2, 10.5, 16.2, 21.8].entries()) {
      expect(Math.abs(10 * Math.log10(noise[i] ?? 1) + db)).toBeLessThan(0.7);
    }
  });
});

describe('the rotation backwards', () => {
  it.each([1, 8, 17, 24, 64, 100, 784])('keeps lengths in %i dimensions', (dims) => {
    const rotation = new InverseRotation(Math.ceil(dims / 8) * 8, 7n);
    const random = new SplitMix(BigInt(dims));
    const values = Array.from({ length: Math.ceil(dims / 8) * 8 }, () => random.uniform() - 0.5);
    const norm2 = (all: readonly number[]): number => all.reduce((sum, x) => sum + x * x, 0);
    expect(norm2(rotation.apply(values)) / norm2(values)).toBeCloseTo(1, 12);
  });
});
