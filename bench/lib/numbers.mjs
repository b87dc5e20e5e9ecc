// Small statistics.

/** Quantile q in 0..1 by the nearest rank. NaN for no values. */
export function quantile(values, q) {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export const median = (values) => quantile(values, 0.5);

/** Slope of the least-squares line through (x, y). */
export function slope(xs, ys) {
  const mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
  const mx = mean(xs),
    my = mean(ys);
  let num = 0,
    den = 0;
  for (let i = 0; i < xs.length; i++) {
    num += (xs[i] - mx) * (ys[i] - my);
    den += (xs[i] - mx) ** 2;
  }
  return num / den;
}

/** Share of the first k of `truth` (a row per query, `truthK` wide) that `found[query]` holds. */
export function recallOf(found, truth, truthK, k) {
  let hits = 0;
  for (let q = 0; q < found.length; q++) {
    const wanted = new Set(truth.subarray(q * truthK, q * truthK + k));
    for (const id of found[q]) if (wanted.has(id)) hits++;
  }
  return hits / (found.length * k);
}

/** y at x on the line through points [{ x, y }] sorted by x; NaN outside them. */
export function interpolate(points, x) {
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1],
      b = points[i];
    if (a.x <= x && x <= b.x) return a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x || 1);
  }
  return NaN;
}

/** A number for people: four digits at most, thousands apart. */
export function shown(value) {
  if (typeof value !== 'number') return String(value);
  if (Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return value.toFixed(size > 0 && size < 0.01 ? 5 : 3);
}
