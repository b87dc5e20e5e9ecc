import { describe, expect, test } from 'vitest';
import { Fft } from './fft.js';

/** The definition, term by term: the scalar twin that the fast transform must agree with. */
function naive(real: Float64Array, imaginary: Float64Array): { re: number[]; im: number[] } {
  const n = real.length;
  const re: number[] = [];
  const im: number[] = [];
  for (let k = 0; k < n; k += 1) {
    let a = 0;
    let b = 0;
    for (let t = 0; t < n; t += 1) {
      const phase = (-2 * Math.PI * ((k * t) % n)) / n;
      a += real[t]! * Math.cos(phase) - imaginary[t]! * Math.sin(phase);
      b += real[t]! * Math.sin(phase) + imaginary[t]! * Math.cos(phase);
    }
    re.push(a);
    im.push(b);
  }
  return { re, im };
}

function noise(n: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

describe('Fft', () => {
  test.each([2, 4, 8, 64, 256])('agrees with the definition at size %i', (size) => {
    const real = noise(size, 7);
    const imaginary = noise(size, 8);
    const truth = naive(real, imaginary);
    new Fft(size).forward(real, imaginary);
    for (let k = 0; k < size; k += 1) {
      expect(real[k]!).toBeCloseTo(truth.re[k]!, 10);
      expect(imaginary[k]!).toBeCloseTo(truth.im[k]!, 10);
    }
  });

  test('gives the signal back after forward and inverse', () => {
    const real = noise(1024, 1);
    const imaginary = noise(1024, 2);
    const before = { real: real.slice(), imaginary: imaginary.slice() };
    const fft = new Fft(1024);
    fft.forward(real, imaginary);
    expect(Math.abs(real[3]! - before.real[3]!)).toBeGreaterThan(1e-3);
    fft.inverse(real, imaginary);
    for (let n = 0; n < 1024; n += 1) {
      expect(real[n]!).toBeCloseTo(before.real[n]!, 12);
      expect(imaginary[n]!).toBeCloseTo(before.imaginary[n]!, 12);
    }
  });

  test('keeps the energy of the signal (Parseval)', () => {
    const real = noise(512, 3);
    const imaginary = new Float64Array(512);
    const energy = real.reduce((sum, x) => sum + x * x, 0);
    new Fft(512).forward(real, imaginary);
    let spectral = 0;
    for (let k = 0; k < 512; k += 1) spectral += real[k]! ** 2 + imaginary[k]! ** 2;
    expect(spectral / 512).toBeCloseTo(energy, 9);
  });

  test.each([0, 1, 3, 1000, -8, 2.5, Number.NaN, 2 ** 21])('refuses size %d', (size) => {
    expect(() => new Fft(size)).toThrow(RangeError);
  });

  test('refuses arrays of another length than its size', () => {
    expect(() => new Fft(8).forward(new Float64Array(8), new Float64Array(4))).toThrow(RangeError);
  });
});
