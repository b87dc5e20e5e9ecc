import { describe, expect, test } from 'vitest';
import { hann, slidingWindows, WINDOW_SAMPLES_MAX } from './window.js';

describe('hann', () => {
  test('starts at zero, peaks at one in the middle and sums to half its length', () => {
    const window = hann(64);
    expect(window[0]).toBe(0);
    expect(window[32]).toBeCloseTo(1, 15);
    expect(window.reduce((a, b) => a + b, 0)).toBeCloseTo(32, 12);
  });

  test.each([0, -1, 1.5, Number.NaN, WINDOW_SAMPLES_MAX + 1])('refuses %d samples', (n) => {
    expect(() => hann(n)).toThrow(RangeError);
  });
});

describe('slidingWindows', () => {
  const samples = Float32Array.from({ length: 10 }, (_, i) => i);

  test('cuts whole windows and leaves out the rest', () => {
    const cut = [...slidingWindows(samples, 4)].map((w) => [...w]);
    expect(cut).toEqual([[0, 1, 2, 3], [4, 5, 6, 7]]);
  });

  test('overlaps by size less hop', () => {
    const starts = [...slidingWindows(samples, 4, 3)].map((w) => w[0]);
    expect(starts).toEqual([0, 3, 6]);
  });

  test('gives nothing for a signal shorter than one window', () => {
    expect([...slidingWindows(samples, 11)]).toEqual([]);
  });

  test('makes views, so a window costs no copy', () => {
    const [first] = slidingWindows(samples, 4);
    expect(first!.buffer).toBe(samples.buffer);
  });

  test.each([[0, 1], [4, 0], [4, -1], [2.5, 1], [4, 1.5], [Number.NaN, 1]])(
    'refuses size %d with hop %d at the call',
    (size, hop) => {
      expect(() => slidingWindows(samples, size, hop)).toThrow(RangeError);
    },
  );
});
