/**
 * Statistics of one window in time. All but `mean` and `rms` are pure numbers: a gain or an
 * offset of the sensor does not move them. A window without variation gives `rms` 0, `kurtosis` 3
 * (the value of a Gaussian, "nothing to see") and the smallest possible value for the others.
 */
export interface TimeStatistics {
  /** Offset, in units of the samples. */
  readonly mean: number;
  /** Root mean square about the mean, in units of the samples; >= 0. */
  readonly rms: number;
  /** Third standardised moment; 0 when symmetric. Spalls hit one way: sign and size move. */
  readonly skewness: number;
  /**
   * Fourth standardised moment; 3 for Gaussian noise, 1.5 for a sine, large for sparse impacts
   * (Dyer and Stewart 1978). Falls again as damage spreads, hence never used alone.
   */
  readonly kurtosis: number;
  /** Peak / rms; 1.41 for a sine, about 3.5 for 1,024 Gaussian samples. */
  readonly crestFactor: number;
  /** Rms / mean magnitude; 1.11 for a sine, 1.25 for Gaussian noise. */
  readonly shapeFactor: number;
  /** Peak / mean magnitude. */
  readonly impulseFactor: number;
  /** Peak / (mean root of magnitude)^2: of these the earliest to rise at a small spall. */
  readonly clearanceFactor: number;
  /** Sign changes about the mean / samples, 0..1: twice the mean frequency over the rate. */
  readonly zeroCrossingRate: number;
}

/** Takes the statistics of `samples` (at least 2, finite). Cost: two passes, no allocation. */
export function timeStatistics(samples: Float32Array | Float64Array): TimeStatistics {
  const n = samples.length;
  if (n < 2) throw new RangeError(`Statistics need at least 2 samples, got ${n}`);
  let sum = 0;
  for (let i = 0; i < n; i += 1) sum += samples[i]!;
  const mean = sum / n;
  let m2 = 0;
  let m3 = 0;
  let m4 = 0;
  let magnitude = 0;
  let root = 0;
  let peak = 0;
  let crossings = 0;
  let negative = samples[0]! < mean;
  for (let i = 0; i < n; i += 1) {
    const x = samples[i]! - mean;
    const a = Math.abs(x);
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    magnitude += a;
    root += Math.sqrt(a);
    if (a > peak) peak = a;
    if (x < 0 !== negative) crossings += 1;
    negative = x < 0;
  }
  const rms = Math.sqrt(m2 / n);
  // A rounding residue of the mean is no vibration: below it every quotient is noise over noise.
  if (!(rms > 1e-12 * Math.abs(mean)) || m2 < 1e-150) return still(mean);
  const meanMagnitude = magnitude / n;
  return {
    mean,
    rms,
    skewness: m3 / n / rms ** 3,
    kurtosis: m4 / n / rms ** 4,
    crestFactor: peak / rms,
    shapeFactor: rms / meanMagnitude,
    impulseFactor: peak / meanMagnitude,
    clearanceFactor: peak / (root / n) ** 2,
    zeroCrossingRate: crossings / n,
  };
}

function still(mean: number): TimeStatistics {
  return {
    mean,
    rms: 0,
    skewness: 0,
    kurtosis: 3,
    crestFactor: 1,
    shapeFactor: 1,
    impulseFactor: 1,
    clearanceFactor: 1,
    zeroCrossingRate: 0,
  };
}
