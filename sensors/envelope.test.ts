import { describe, expect, test } from 'vitest';
import { EnvelopeAnalyser } from './envelope.js';

const RATE_HZ = 8192;
const SAMPLES = 1024; // 8 Hz a bin, so every frequency below is a whole bin.
const sine = (hz: number, n: number): number => Math.sin((2 * Math.PI * hz * n) / RATE_HZ);

describe('EnvelopeAnalyser', () => {
  const analyser = new EnvelopeAnalyser(SAMPLES, RATE_HZ, { lowHz: 1000, highHz: 3000 });

  test('finds the square of (1 + m sin) around a modulated carrier', () => {
    const signal = Float64Array.from(
      { length: SAMPLES },
      (_, n) => (1 + 0.5 * sine(64, n)) * sine(2048, n),
    );
    const out = new Float64Array(SAMPLES);
    analyser.squaredEnvelope(signal, out);
    for (let n = 0; n < SAMPLES; n += 1) {
      expect(out[n]!).toBeCloseTo((1 + 0.5 * sine(64, n)) ** 2, 9);
    }
  });

  test('does not see what lies outside its band', () => {
    const signal = Float64Array.from(
      { length: SAMPLES },
      (_, n) => 10 * sine(512, n) + 10 * sine(3504, n) + 3,
    );
    const out = new Float64Array(SAMPLES);
    analyser.squaredEnvelope(signal, out);
    expect(Math.max(...out)).toBeLessThan(1e-18);
  });

  test('leaves its input as it was', () => {
    const signal = Float64Array.from({ length: SAMPLES }, (_, n) => sine(2048, n));
    const before = signal.slice();
    analyser.squaredEnvelope(signal, new Float64Array(SAMPLES));
    expect(signal).toEqual(before);
  });

  test.each([
    { lowHz: 3000, highHz: 1000 },
    { lowHz: 5000, highHz: 6000 },
    { lowHz: 1001, highHz: 1002 },
    { lowHz: Number.NaN, highHz: 1000 },
  ])('refuses the empty band $lowHz..$highHz Hz', (band) => {
    expect(() => new EnvelopeAnalyser(SAMPLES, RATE_HZ, band)).toThrow(RangeError);
  });

  test('refuses a signal of another length', () => {
    expect(() => analyser.squaredEnvelope(new Float64Array(8), new Float64Array(8))).toThrow(
      RangeError,
    );
  });
});
