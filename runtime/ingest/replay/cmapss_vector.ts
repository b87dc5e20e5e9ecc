/** Settings and sensors of one row. */
export const CHANNELS = 24;

/** A window is told in this many parts, each the mean of its share of the cycles. */
const PARTS = 5;

/** Numbers that carry meaning: 24 channels x 5 parts, and the anchor. */
export const VECTOR_NUMBERS = CHANNELS * PARTS + 1;

/**
 * A constant beside the z-scores. A cosine memory forgets the length of a vector, and the length
 * of a z-score vector is how far the engine is from the average one: the most telling thing in
 * it. With a constant in one place the direction alone keeps it (the map is a central projection,
 * which can be undone). sqrt(120): as long as a vector whose every z-score is 1.
 */
const ANCHOR = Math.sqrt(CHANNELS * PARTS);

/** A z-score further out than 10 deviations is a fault of the sensor; it must not rule alone. */
const Z_MAX = 10;

/** Mean and deviation of each channel; deviation 0 marks a channel that never moves. */
export interface Scale {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

interface Rows {
  readonly rows: readonly Float64Array[];
}

/** Fits mean and deviation of each channel over all rows of all engines, in two passes. */
export function fitScale(engines: readonly Rows[]): Scale {
  const mean = new Float64Array(CHANNELS);
  const deviation = new Float64Array(CHANNELS);
  const count = engines.reduce((sum, engine) => sum + engine.rows.length, 0);
  for (const { rows } of engines) {
    for (const row of rows) for (let c = 0; c < CHANNELS; c += 1) mean[c]! += row[c]! / count;
  }
  for (const { rows } of engines) {
    for (const row of rows) {
      for (let c = 0; c < CHANNELS; c += 1) deviation[c]! += (row[c]! - mean[c]!) ** 2 / count;
    }
  }
  for (let c = 0; c < CHANNELS; c += 1) {
    const root = Math.sqrt(deviation[c]!);
    // A constant such as 518.67 leaves a rounding residue that must not be scaled up to 1.
    deviation[c] = root > 1e-9 * Math.abs(mean[c]!) ? root : 0;
  }
  return { mean, deviation };
}

/**
 * The embedding of a window of rows (at least 5): per channel the mean z-score of each fifth of
 * the window, oldest first, which holds level and trend; then the anchor; then zeros up to
 * `dimensions`. Not normalised: an l2 memory may use it as it is.
 */
export function windowVector(
  rows: readonly Float64Array[],
  scale: Scale,
  dimensions: number,
): Float32Array {
  const out = new Float32Array(dimensions);
  for (let part = 0; part < PARTS; part += 1) {
    const from = Math.floor((part * rows.length) / PARTS);
    const to = Math.floor(((part + 1) * rows.length) / PARTS);
    for (let c = 0; c < CHANNELS; c += 1) {
      if (scale.deviation[c] === 0) continue;
      let sum = 0;
      for (let i = from; i < to; i += 1) sum += rows[i]![c]! - scale.mean[c]!;
      const z = sum / (to - from) / scale.deviation[c]!;
      out[c * PARTS + part] = Math.min(Z_MAX, Math.max(-Z_MAX, z));
    }
  }
  out[CHANNELS * PARTS] = ANCHOR;
  return out;
}
