import { describe, expect, test } from 'vitest';
import { timeStatistics } from './statistics.js';

describe('timeStatistics', () => {
  test('gives the known values of a sine whatever its gain and offset', () => {
    const sine = Float64Array.from(
      { length: 4096 },
      (_, n) => 7 + 3 * Math.sin((2 * Math.PI * 16 * n) / 4096),
    );
    const s = timeStatistics(sine);
    expect(s.mean).toBeCloseTo(7, 10);
    expect(s.rms).toBeCloseTo(3 / Math.SQRT2, 10);
    expect(s.skewness).toBeCloseTo(0, 10);
    expect(s.kurtosis).toBeCloseTo(1.5, 10);
    expect(s.crestFactor).toBeCloseTo(Math.SQRT2, 10);
    expect(s.shapeFactor).toBeCloseTo(Math.PI / (2 * Math.SQRT2), 3);
    expect(s.impulseFactor).toBeCloseTo(Math.PI / 2, 3);
    expect(s.zeroCrossingRate).toBeCloseTo(32 / 4096, 3);
  });

  test('sees a single impact as kurtosis and crest of the order of the length', () => {
    const impact = new Float64Array(1000);
    impact[500] = 1;
    const s = timeStatistics(impact);
    expect(s.kurtosis).toBeGreaterThan(900);
    expect(s.crestFactor).toBeGreaterThan(30);
    expect(s.skewness).toBeGreaterThan(30);
    expect(s.clearanceFactor).toBeGreaterThan(s.impulseFactor);
  });

  test('stays finite on a constant, where every quotient would be 0/0', () => {
    for (const level of [0, 1, -3e30]) {
      const s = timeStatistics(new Float64Array(64).fill(level));
      expect(Math.abs(s.mean - level)).toBeLessThanOrEqual(1e-12 * Math.abs(level));
      expect(s.rms).toBe(0);
      expect(s.kurtosis).toBe(3);
      expect(Object.values(s).every(Number.isFinite)).toBe(true);
    }
  });

  test('refuses fewer than two samples', () => {
    expect(() => timeStatistics(new Float32Array(1))).toThrow(RangeError);
  });
});
