import { EnvelopeAnalyser, type BandHz } from './envelope.js';
import { Fft } from './fft.js';
import { timeStatistics, type TimeStatistics } from './statistics.js';
import { hann } from './window.js';

/** Options of a VibrationEmbedder. Two embedders with equal options give equal embeddings. */
export interface VibrationOptions {
  /** Samples a second, 1..1e7 Hz. */
  readonly sampleRateHz: number;
  /** Samples of one window, a power of two from 64 to 65,536. Default 1024. */
  readonly windowSamples?: number;
  /** Numbers in one embedding, 32..1024. Default 128. */
  readonly dimensions?: number;
  /**
   * Band around the structural resonances whose envelope is taken. Default 0.15 to 0.45 of the
   * sample rate (1.8 to 5.4 kHz at 12 kHz): above the shaft and gear lines, below the
   * anti-aliasing filter. A window is too short to pick the band by spectral kurtosis.
   */
  readonly envelopeBandHz?: BandHz;
  /** Rms, in units of the samples, whose level feature is 0. Default 1. Above 0. */
  readonly referenceRms?: number;
}

/** Where each block of an embedding lies: half-open ranges of its indices. */
export interface VibrationLayout {
  readonly spectrum: readonly [start: number, end: number];
  readonly envelope: readonly [start: number, end: number];
  readonly statistics: readonly [start: number, end: number];
}

/** Numbers in the statistics block, whatever the dimensions. */
export const STATISTICS_COUNT = 16;

/** Power below 1e-12 of the reference is the floor: a dead sensor stays finite. */
const POWER_FLOOR = 1e-12;

/** A statistic further than 4 typical steps from its centre says no more than 4: outliers of one
 * statistic must not drown the other blocks. */
const STEPS_MAX = 4;

/** Share of a square-root modulation depth of 1 against one decade of power: see README.md. */
const ENVELOPE_GAIN = 2;

/**
 * Turns a window of accelerometer samples into an embedding of unit length. Three blocks follow
 * each other (README.md gives formulas, reasons and sources):
 *
 * - spectrum: log10 power in equal bands from 0 to half the sample rate, less its own mean;
 * - envelope: square root of the modulation depth at the lowest lines of the envelope spectrum;
 * - statistics: 16 statistics of time, spectrum and envelope, each less a centre, over a scale.
 *
 * Each block is divided by the root of its length, so no block wins by having more numbers; then
 * the whole is normalised to length 1. What that throws away: only the common factor of all blocks
 * (how far the window is from a flat, quiet Gaussian in every respect at once). The absolute level
 * survives as the first statistic, log10 of the rms over `referenceRms`; the offset (DC) of the
 * sensor and the phase of the spectrum do not survive, by design.
 *
 * Cost: four FFTs of the window, about 0.2 ms at 1,024 samples. Not re-entrant (scratch is
 * reused), which a synchronous method on one thread never is.
 */
export class VibrationEmbedder {
  readonly sampleRateHz: number;
  readonly windowSamples: number;
  readonly dimensions: number;
  readonly layout: VibrationLayout;
  readonly #referenceRms: number;
  readonly #fft: Fft;
  readonly #hann: Float64Array;
  readonly #analyser: EnvelopeAnalyser;
  readonly #band: BandHz;
  readonly #centred: Float64Array;
  readonly #real: Float64Array;
  readonly #imaginary: Float64Array;
  readonly #power: Float64Array;
  readonly #envelope: Float64Array;
  readonly #lines: Float64Array;

  /** Refuses an option out of the range written beside it with a RangeError. */
  constructor(options: VibrationOptions) {
    const { sampleRateHz, windowSamples = 1024, dimensions = 128, referenceRms = 1 } = options;
    check('sampleRateHz', sampleRateHz, 1, 1e7, false);
    check('windowSamples', windowSamples, 64, 65_536, true);
    check('dimensions', dimensions, 32, 1024, true);
    check('referenceRms', referenceRms, Number.MIN_VALUE, Number.MAX_VALUE, false);
    this.sampleRateHz = sampleRateHz;
    this.windowSamples = windowSamples;
    this.dimensions = dimensions;
    this.#referenceRms = referenceRms;
    this.layout = layoutOf(dimensions, windowSamples);
    this.#fft = new Fft(windowSamples);
    this.#hann = hann(windowSamples);
    this.#band = options.envelopeBandHz ?? {
      lowHz: 0.15 * sampleRateHz,
      highHz: 0.45 * sampleRateHz,
    };
    this.#analyser = new EnvelopeAnalyser(windowSamples, sampleRateHz, this.#band);
    this.#centred = new Float64Array(windowSamples);
    this.#real = new Float64Array(windowSamples);
    this.#imaginary = new Float64Array(windowSamples);
    this.#power = new Float64Array(windowSamples / 2);
    this.#envelope = new Float64Array(windowSamples);
    this.#lines = new Float64Array(this.layout.envelope[1] - this.layout.envelope[0]);
  }

  /**
   * The embedding of one window of exactly `windowSamples` samples: `dimensions` numbers of
   * length 1. The window is not changed. RangeError when its length differs, or when a sample is
   * NaN or infinite (the message names the first).
   */
  embed(window: Float32Array): Float32Array {
    if (window.length !== this.windowSamples) {
      throw new RangeError(`Window has ${window.length} samples, not ${this.windowSamples}`);
    }
    for (let n = 0; n < window.length; n += 1) {
      if (!Number.isFinite(window[n])) {
        throw new RangeError(`Window sample ${n} is ${window[n]}, not a finite number`);
      }
    }
    const time = timeStatistics(window);
    for (let n = 0; n < window.length; n += 1) this.#centred[n] = window[n]! - time.mean;
    this.#takePower();
    this.#takeEnvelope();
    const out = new Float64Array(this.dimensions);
    this.#writeSpectrum(out);
    this.#writeEnvelope(out);
    this.#writeStatistics(out, time);
    return normalised(out);
  }

  /** One-sided power of each bin from 1 (bin 0 is left at 0), with noise gain 1: see README. */
  #takePower(): void {
    for (let n = 0; n < this.windowSamples; n += 1) {
      this.#real[n] = this.#centred[n]! * this.#hann[n]!;
    }
    this.#imaginary.fill(0);
    this.#fft.forward(this.#real, this.#imaginary);
    // The mean square of a Hann window is 3/8: with it the bins sum to the signal's mean square.
    const scale = 2 / (this.windowSamples ** 2 * 0.375 * this.#referenceRms ** 2);
    for (let k = 1; k < this.#power.length; k += 1) {
      this.#power[k] = scale * (this.#real[k]! ** 2 + this.#imaginary[k]! ** 2);
    }
    this.#power[0] = 0;
  }

  /** Squared envelope of the band over its mean, and the depth of its lowest lines: 1 = full. */
  #takeEnvelope(): void {
    this.#analyser.squaredEnvelope(this.#centred, this.#envelope);
    let mean = 0;
    for (let n = 0; n < this.windowSamples; n += 1) mean += this.#envelope[n]!;
    mean /= this.windowSamples;
    const silent = !(mean > POWER_FLOOR * this.#referenceRms ** 2);
    for (let n = 0; n < this.windowSamples; n += 1) {
      this.#envelope[n] = silent ? 1 : this.#envelope[n]! / mean;
      // Hann after the envelope: the band was cut as if the window were periodic, and the jump
      // from its end to its start would otherwise count as an impact.
      this.#real[n] = (this.#envelope[n]! - 1) * this.#hann[n]!;
    }
    this.#imaginary.fill(0);
    this.#fft.forward(this.#real, this.#imaginary);
    for (let i = 0; i < this.#lines.length; i += 1) {
      const amplitude = Math.hypot(this.#real[i + 1]!, this.#imaginary[i + 1]!);
      this.#lines[i] = (4 * amplitude) / this.windowSamples;
    }
  }

  #writeSpectrum(out: Float64Array): void {
    const [start, end] = this.layout.spectrum;
    const bands = end - start;
    let mean = 0;
    for (let b = 0; b < bands; b += 1) {
      const from = Math.floor((b * this.#power.length) / bands);
      const to = Math.floor(((b + 1) * this.#power.length) / bands);
      let sum = 0;
      for (let k = from; k < to; k += 1) sum += this.#power[k]!;
      const value = Math.log10(sum / (to - from) + POWER_FLOOR);
      out[start + b] = value;
      mean += value / bands;
    }
    for (let b = start; b < end; b += 1) out[b] = (out[b]! - mean) / Math.sqrt(bands);
  }

  #writeEnvelope(out: Float64Array): void {
    const [start, end] = this.layout.envelope;
    const gain = ENVELOPE_GAIN / Math.sqrt(end - start);
    for (let i = start; i < end; i += 1) out[i] = gain * Math.sqrt(this.#lines[i - start]!);
  }

  /** [value, centre, scale]: the centre is that of white Gaussian noise (level: the reference). */
  #writeStatistics(out: Float64Array, time: TimeStatistics): void {
    const spectrum = spectrumStatistics(this.#power);
    const envelope = timeStatistics(this.#envelope);
    const level = Math.log10(time.rms / this.#referenceRms + Math.sqrt(POWER_FLOOR));
    const table: ReadonlyArray<readonly [number, number, number]> = [
      [level, 0, 0.5],
      [time.skewness, 0, 0.5],
      [Math.log(time.kurtosis), Math.log(3), 0.5],
      [Math.log(time.crestFactor), Math.log(3.5), 0.25],
      [Math.log(time.shapeFactor), Math.log(1.25), 0.1],
      [Math.log(time.impulseFactor), Math.log(4.4), 0.4],
      [Math.log(time.clearanceFactor), Math.log(5.2), 0.5],
      [time.zeroCrossingRate, 0.5, 0.15],
      [spectrum.centroid, 0.5, 0.15],
      [spectrum.spread, Math.sqrt(1 / 12), 0.1],
      [spectrum.flatness, -0.5772, 1],
      [spectrum.entropy, 0.93, 0.15],
      [this.#bandShare(), 0.6, 0.25],
      [Math.log(envelope.rms + 0.01), 0, 0.4],
      [Math.log(envelope.kurtosis), Math.log(9), 0.8],
      [Math.log(prominence(this.#lines)), Math.log(2.5), 0.5],
    ];
    const start = this.layout.statistics[0];
    for (const [i, [value, centre, scale]] of table.entries()) {
      const steps = Math.min(STEPS_MAX, Math.max(-STEPS_MAX, (value - centre) / scale));
      out[start + i] = steps / Math.sqrt(STATISTICS_COUNT);
    }
  }

  /** Share of the power that lies in the envelope band, 0..1; 0.6 for white noise by default. */
  #bandShare(): number {
    const binHz = this.sampleRateHz / this.windowSamples;
    let inside = 0;
    let all = 0;
    for (let k = 1; k < this.#power.length; k += 1) {
      const hz = k * binHz;
      all += this.#power[k]!;
      if (hz >= this.#band.lowHz && hz <= this.#band.highHz) inside += this.#power[k]!;
    }
    return all > POWER_FLOOR ? inside / all : 0;
  }
}

/** The statistics take 16; of the rest 4/7 are spectrum bands and 3/7 envelope lines, as bins
 * allow: a band needs one bin, and lines stop at a quarter of the bins (fs/8). */
function layoutOf(dimensions: number, windowSamples: number): VibrationLayout {
  const free = dimensions - STATISTICS_COUNT;
  const spectrum = Math.round((free * 4) / 7);
  const bins = windowSamples / 2;
  if (spectrum > bins || free - spectrum > bins / 2) {
    throw new RangeError(
      `${dimensions} dimensions need more bins than a window of ${windowSamples} samples has`,
    );
  }
  return {
    spectrum: [0, spectrum],
    envelope: [spectrum, free],
    statistics: [free, dimensions],
  };
}

interface SpectrumStatistics {
  /** Mean frequency over half the sample rate, 0..1. */
  readonly centroid: number;
  /** Standard deviation of frequency over half the sample rate, 0..0.5. */
  readonly spread: number;
  /** ln(geometric / arithmetic mean of power), <= 0; minus Euler's constant for white noise. */
  readonly flatness: number;
  /** Shannon entropy of the power over the bins, over its largest value; 0..1. */
  readonly entropy: number;
}

function spectrumStatistics(power: Float64Array): SpectrumStatistics {
  const bins = power.length;
  let sum = 0;
  let first = 0;
  let second = 0;
  let logs = 0;
  for (let k = 1; k < bins; k += 1) {
    // The floor enters each sum, so that silence counts as flat and not as 0/0.
    const p = power[k]! + POWER_FLOOR;
    sum += p;
    first += (p * k) / bins;
    second += p * (k / bins) ** 2;
    logs += Math.log(p);
  }
  const centroid = first / sum;
  let entropy = 0;
  for (let k = 1; k < bins; k += 1) {
    const share = (power[k]! + POWER_FLOOR) / sum;
    entropy -= share * Math.log(share);
  }
  return {
    centroid,
    spread: Math.sqrt(Math.max(0, second / sum - centroid ** 2)),
    flatness: logs / (bins - 1) - Math.log(sum / (bins - 1)),
    entropy: entropy / Math.log(bins - 1),
  };
}

/** Highest line over the median line, >= 1: how far one fault frequency stands out. */
function prominence(lines: Float64Array): number {
  const sorted = lines.slice().sort();
  const median = sorted[sorted.length >> 1]!;
  const highest = sorted[sorted.length - 1]!;
  return median > 0 ? highest / median : 1;
}

function normalised(values: Float64Array): Float32Array {
  const length = Math.hypot(...values);
  // Length 0 would need every statistic at its centre and a flat spectrum: not reachable, since
  // silence sets the level to its floor; but a door must not divide by it.
  if (!(length > 0)) throw new RangeError('Window has no direction to normalise');
  return Float32Array.from(values, (v) => v / length);
}

function check(name: string, value: number, low: number, high: number, whole: boolean): void {
  if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
    const kind = whole ? 'a whole number' : 'a number';
    throw new RangeError(`${name} is ${value}: give ${kind} from ${low} to ${high}`);
  }
}
