/**
 * A damped structural mode as a two-pole filter: an impulse of 1 rings as
 * exp(-decay·t)·sin(2π·f·t), which peaks a little below 1. Cost: two multiplications a sample.
 */
export class Resonator {
  readonly #a1: number;
  readonly #a2: number;
  readonly #gain: number;
  #y1 = 0;
  #y2 = 0;

  /** `hz` below half of `sampleRateHz`; `decayPerS` above 0: the inverse of the ringing time. */
  constructor(hz: number, decayPerS: number, sampleRateHz: number) {
    const omega = (2 * Math.PI * hz) / sampleRateHz;
    const radius = Math.exp(-decayPerS / sampleRateHz);
    this.#a1 = 2 * radius * Math.cos(omega);
    this.#a2 = -radius * radius;
    this.#gain = radius * Math.sin(omega);
  }

  /** One sample of the response; `force` excites the mode now. */
  next(force: number): number {
    const y = this.#a1 * this.#y1 + this.#a2 * this.#y2 + this.#gain * force;
    this.#y2 = this.#y1;
    // Long silence would decay into denormal numbers, which cost 100 cycles each.
    this.#y1 = Math.abs(y) < 1e-200 ? 0 : y;
    return y;
  }
}
