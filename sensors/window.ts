/**
 * Periodic Hann window of n samples, `0.5 - 0.5·cos(2πi/n)`. Periodic (not symmetric) because the
 * window is taken for a DFT of the same length (Harris 1978). Side lobes fall by 18 dB an octave,
 * which keeps a strong shaft line from covering weak bands far from it.
 */
export function hann(samples: number): Float64Array {
  if (!Number.isInteger(samples) || samples < 1 || samples > WINDOW_SAMPLES_MAX) {
    throw new RangeError(`Window of ${samples} samples: give 1 to ${WINDOW_SAMPLES_MAX}`);
  }
  return Float64Array.from(
    { length: samples },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples),
  );
}

/** As the largest transform: a longer window would not fit the FFT. */
export const WINDOW_SAMPLES_MAX = 1_048_576;

/**
 * Cuts `samples` into windows of `size`, a new one every `hop` samples; a rest shorter than
 * `size` is left out. Windows are views, not copies: they change when `samples` does.
 * `size` 1..WINDOW_SAMPLES_MAX, `hop` >= 1 (hop = size: no overlap); otherwise a RangeError.
 */
export function slidingWindows(
  samples: Float32Array,
  size: number,
  hop: number = size,
): Generator<Float32Array, void, undefined> {
  if (!Number.isInteger(size) || size < 1 || size > WINDOW_SAMPLES_MAX) {
    throw new RangeError(`Window size ${size}: give 1 to ${WINDOW_SAMPLES_MAX}, whole`);
  }
  if (!Number.isInteger(hop) || hop < 1) {
    throw new RangeError(`Window hop ${hop}: give a whole number of at least 1`);
  }
  return cut(samples, size, hop);
}

// Apart from the door above, so that a wrong argument fails at the call, not at the first next().
function* cut(
  samples: Float32Array,
  size: number,
  hop: number,
): Generator<Float32Array, void, undefined> {
  for (let start = 0; start + size <= samples.length; start += hop) {
    yield samples.subarray(start, start + size);
  }
}
