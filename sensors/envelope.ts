import { Fft } from './fft.js';

/** A band of frequencies in Hz, low < high, both from 0 to half the sample rate. */
export interface BandHz {
  readonly lowHz: number;
  readonly highHz: number;
}

/**
 * Envelope of a band of a signal, and the spectrum of that envelope.
 *
 * A local fault in a rolling bearing is a train of impacts. Each rings a structural resonance of a
 * few kHz, so in the raw spectrum the fault appears as a raised resonance and not as a line at the
 * fault frequency, while the *envelope* around the resonance repeats at exactly that frequency
 * (Randall and Antoni 2011, "Rolling element bearing diagnostics: a tutorial", MSSP 25:485-520).
 * The band is cut in the frequency domain and made analytic in the same step (negative frequencies
 * to zero, positive doubled), which is the Hilbert transform without filter delay or phase error.
 *
 * The squared envelope is taken, as that paper advises: squaring makes no new lines beyond twice
 * the band, where the plain magnitude makes an endless series that folds back.
 */
export class EnvelopeAnalyser {
  readonly samples: number;
  readonly #fft: Fft;
  readonly #real: Float64Array;
  readonly #imaginary: Float64Array;
  readonly #lowBin: number;
  readonly #highBin: number;

  /** `samples`: a power of two. The band must hold at least one bin of sampleRateHz / samples. */
  constructor(samples: number, sampleRateHz: number, band: BandHz) {
    this.samples = samples;
    this.#fft = new Fft(samples);
    this.#real = new Float64Array(samples);
    this.#imaginary = new Float64Array(samples);
    const binHz = sampleRateHz / samples;
    this.#lowBin = Math.max(1, Math.ceil(band.lowHz / binHz));
    this.#highBin = Math.min(samples / 2 - 1, Math.floor(band.highHz / binHz));
    if (!(this.#lowBin <= this.#highBin)) {
      throw new RangeError(
        `Envelope band ${band.lowHz}..${band.highHz} Hz holds no bin of ${binHz} Hz ` +
          `below ${sampleRateHz / 2} Hz`,
      );
    }
  }

  /** Writes the squared envelope of `signal` (its units, squared) to `out`; both of `samples`. */
  squaredEnvelope(signal: Float64Array, out: Float64Array): void {
    if (signal.length !== this.samples || out.length !== this.samples) {
      throw new RangeError(
        `Envelope of ${this.samples} samples got ${signal.length} in and ${out.length} out`,
      );
    }
    const real = this.#real;
    const imaginary = this.#imaginary;
    real.set(signal);
    imaginary.fill(0);
    this.#fft.forward(real, imaginary);
    for (let k = 0; k < this.samples; k += 1) {
      const gain = k >= this.#lowBin && k <= this.#highBin ? 2 : 0;
      real[k]! *= gain;
      imaginary[k]! *= gain;
    }
    this.#fft.inverse(real, imaginary);
    for (let n = 0; n < this.samples; n += 1) out[n] = real[n]! ** 2 + imaginary[n]! ** 2;
  }
}
