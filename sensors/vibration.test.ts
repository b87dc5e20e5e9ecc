import { describe, expect, test } from 'vitest';
import { VibrationEmbedder, type VibrationOptions } from './vibration.js';

const RATE_HZ = 12_000;
const embedder = new VibrationEmbedder({ sampleRateHz: RATE_HZ });

/** Uniform noise in -1..1 from a seed. */
function noise(seed: number, samples = 1024): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Decaying 3 kHz bursts, `rateHz` a second, over weak noise: what a spall sounds like. */
function impacts(rateHz: number, seed: number): Float32Array {
  const weak = noise(seed);
  return weak.map((x, n) => {
    const sinceS = (n / RATE_HZ) % (1 / rateHz);
    const burst = Math.exp(-sinceS * 900) * Math.sin(2 * Math.PI * 3000 * sinceS);
    return 0.1 * x + burst;
  });
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}

describe('VibrationEmbedder', () => {
  test.each([32, 64, 128, 256])('gives %i finite numbers of length 1', (dimensions) => {
    const e = new VibrationEmbedder({ sampleRateHz: RATE_HZ, dimensions }).embed(noise(1));
    expect(e).toBeInstanceOf(Float32Array);
    expect(e.length).toBe(dimensions);
    expect(Math.hypot(...e)).toBeCloseTo(1, 6);
  });

  test('gives the same bits for the same window, also after other windows', () => {
    const first = embedder.embed(noise(1));
    embedder.embed(impacts(107, 2));
    expect(embedder.embed(noise(1))).toEqual(first);
    expect(new VibrationEmbedder({ sampleRateHz: RATE_HZ }).embed(noise(1))).toEqual(first);
  });

  test('does not change the window', () => {
    const window = noise(3);
    embedder.embed(window);
    expect(window).toEqual(noise(3));
  });

  test('puts a repetition rate at its own line of the envelope block', () => {
    const binHz = RATE_HZ / 1024;
    for (const rateHz of [94, 141, 223]) {
      const [start, end] = embedder.layout.envelope;
      const lines = [...embedder.embed(impacts(rateHz, 4)).subarray(start, end)];
      // Lines below 3 bins are the drift of the whole window; above it the first and highest wins.
      const highest = lines.indexOf(Math.max(...lines.slice(3)));
      expect(Math.abs((highest + 1) * binHz - rateHz)).toBeLessThanOrEqual(binHz);
    }
  });

  test('tells repetition rates and noise apart by more than it spreads within one', () => {
    const a1 = embedder.embed(impacts(107, 5));
    const a2 = embedder.embed(impacts(107, 6));
    const b = embedder.embed(impacts(162, 7));
    const quiet = embedder.embed(noise(8));
    expect(cosine(a1, a2)).toBeGreaterThan(cosine(a1, b) + 0.02);
    expect(cosine(a1, b)).toBeGreaterThan(cosine(a1, quiet));
  });

  test('keeps the level in one statistic alone: gain moves no other number but by the norm', () => {
    const level = embedder.layout.statistics[0];
    const one = embedder.embed(impacts(107, 9));
    const ten = embedder.embed(impacts(107, 9).map((x) => 10 * x));
    expect(ten[level]!).toBeGreaterThan(one[level]!);
    const norm = ten[0]! / one[0]!;
    for (let i = 0; i < one.length; i += 1) {
      if (i !== level) expect(ten[i]!).toBeCloseTo(one[i]! * norm, 4);
    }
  });

  test('ignores the offset of the sensor', () => {
    const plain = embedder.embed(impacts(107, 10));
    const offset = embedder.embed(impacts(107, 10).map((x) => x + 2));
    expect(cosine(plain, offset)).toBeGreaterThan(0.99999);
  });

  test.each([
    ['silence', new Float32Array(1024)],
    ['a constant', new Float32Array(1024).fill(-7)],
    ['the smallest numbers', noise(11).map((x) => Math.sign(x) * 1e-45)],
    ['the largest numbers', noise(12).map((x) => x * 3.4e38)],
    ['one impact', new Float32Array(1024).fill(1e30, 512, 513)],
    ['a square wave', new Float32Array(1024).map((_, n) => (n & 8) - 4)],
  ])('stays finite and of length 1 on %s', (_, window) => {
    const e = embedder.embed(window);
    expect(e.every(Number.isFinite)).toBe(true);
    expect(Math.hypot(...e)).toBeCloseTo(1, 6);
  });

  test.each([0, 1, 1023, 1025])('refuses a window of %i samples', (samples) => {
    expect(() => embedder.embed(new Float32Array(samples))).toThrow(/samples, not 1024/);
  });

  test.each([Number.NaN, Infinity, -Infinity])('refuses a sample of %d and names it', (bad) => {
    const window = noise(13);
    window[77] = bad;
    expect(() => embedder.embed(window)).toThrow(/sample 77/);
  });

  test.each<Partial<VibrationOptions>>([
    { sampleRateHz: 0 },
    { sampleRateHz: Number.NaN },
    { windowSamples: 1000 },
    { windowSamples: 32 },
    { dimensions: 31 },
    { dimensions: 128.5 },
    { dimensions: 1025 },
    { windowSamples: 64, dimensions: 128 },
    { referenceRms: 0 },
    { envelopeBandHz: { lowHz: 5000, highHz: 2000 } },
  ])('refuses the options %o', (bad) => {
    expect(() => new VibrationEmbedder({ sampleRateHz: RATE_HZ, ...bad })).toThrow(RangeError);
  });
});
